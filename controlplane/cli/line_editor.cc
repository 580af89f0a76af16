// See line_editor.h.
#include "controlplane/cli/line_editor.h"

#include <glog/logging.h>
#include <sys/stat.h>

#include <cstdio>
#include <utility>

#include "absl/strings/str_join.h"

namespace guideway::cli {

namespace {

constexpr int kHistoryLines = 1000;

}  // namespace

LineEditor::LineEditor(std::string prompt, std::string history_file, Complete complete)
    : prompt_(std::move(prompt)),
      history_file_(std::move(history_file)),
      complete_(std::move(complete)),
      editor_(el_init("guideway", stdin, stdout, stderr), &el_end),
      history_(history_init(), &history_end) {
  CHECK(editor_ != nullptr && history_ != nullptr);
  EditLine* editor = editor_.get();
  HistEvent event;
  el_set(editor, EL_CLIENTDATA, this);
  el_set(editor, EL_PROMPT, &LineEditor::Prompt);
  el_set(editor, EL_EDITOR, "emacs");
  el_set(editor, EL_HIST, history, history_.get());
  history(history_.get(), &event, H_SETSIZE, kHistoryLines);
  history(history_.get(), &event, H_SETUNIQUE, 1);
  if (!history_file_.empty()) history(history_.get(), &event, H_LOAD, history_file_.c_str());
  el_set(editor, EL_ADDFN, "gw-complete", "Complete the word", &LineEditor::OnTab);
  el_set(editor, EL_BIND, "^I", "gw-complete", nullptr);
  el_set(editor, EL_ADDFN, "gw-abandon", "Forget the line", &LineEditor::OnControlC);
  el_set(editor, EL_BIND, "^C", "gw-abandon", nullptr);
  el_set(editor, EL_SETTY, "-d", "-isig", nullptr);  // Ctrl-C is a key
}

LineEditor::~LineEditor() {
  if (history_file_.empty()) return;
  HistEvent event;
  const mode_t old_umask = umask(0077);
  history(history_.get(), &event, H_SAVE, history_file_.c_str());
  umask(old_umask);
}

std::optional<std::string> LineEditor::Read() {
  int count = 0;
  const char* text = el_gets(editor_.get(), &count);
  if (text == nullptr || count <= 0) return std::nullopt;
  std::string line(text, static_cast<size_t>(count));
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  if (line.find_first_not_of(" \t") != std::string::npos) {
    HistEvent event;
    history(history_.get(), &event, H_ENTER, line.c_str());
  }
  return line;
}

LineEditor* LineEditor::Self(EditLine* editor) {
  void* data = nullptr;
  el_get(editor, EL_CLIENTDATA, &data);
  return static_cast<LineEditor*>(data);
}

char* LineEditor::Prompt(EditLine* editor) { return Self(editor)->prompt_.data(); }

unsigned char LineEditor::OnTab(EditLine* editor, int) { return Self(editor)->CompleteLine(); }

unsigned char LineEditor::OnControlC(EditLine* editor, int) {
  const LineInfo* line = el_line(editor);
  el_cursor(editor, static_cast<int>(line->lastchar - line->cursor));
  el_deletestr(editor, static_cast<int>(line->lastchar - line->buffer));
  return CC_REDISPLAY;
}

unsigned char LineEditor::CompleteLine() {
  const LineInfo* info = el_line(editor_.get());
  const std::string line(info->buffer, info->cursor);
  const std::string typed = line.substr(line.find_last_of(" \t") + 1);
  const std::vector<std::string> words = complete_(line);
  const std::string common = CommonPrefix(words);
  if (words.empty()) return CC_REFRESH_BEEP;
  std::string more = common.size() > typed.size() ? common.substr(typed.size()) : "";
  if (words.size() == 1) more += ' ';
  if (!more.empty()) {
    el_insertstr(editor_.get(), more.c_str());
    return CC_REFRESH;
  }
  printf("\n%s\n", absl::StrJoin(words, "  ").c_str());
  fflush(stdout);
  return CC_REDISPLAY;
}

std::string CommonPrefix(const std::vector<std::string>& words) {
  std::string common = words.empty() ? "" : words[0];
  for (const std::string& word : words) {
    size_t same = 0;
    while (same < common.size() && same < word.size() && common[same] == word[same]) ++same;
    common.resize(same);
  }
  return common;
}

}  // namespace guideway::cli
