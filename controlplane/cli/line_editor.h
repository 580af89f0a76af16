// Lines typed on a terminal, with editing, history and completion, by libedit.
//
// Thread safety: none, one thread.
#ifndef GUIDEWAY_CONTROLPLANE_CLI_LINE_EDITOR_H_
#define GUIDEWAY_CONTROLPLANE_CLI_LINE_EDITOR_H_

#include <histedit.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace guideway::cli {

class LineEditor {
 public:
  // `line` is what stands before the cursor. Returns what its last word may become: whole words.
  using Complete = std::function<std::vector<std::string>(const std::string& line)>;

  // Reads the history from `history_file` and writes it there at the end, mode 0600; empty: keeps
  // none.
  LineEditor(std::string prompt, std::string history_file, Complete complete);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // The next line without its newline, or nothing: Ctrl-D on an empty line.
  std::optional<std::string> Read();

 private:
  static LineEditor* Self(EditLine* editor);
  static char* Prompt(EditLine* editor);
  static unsigned char OnTab(EditLine* editor, int key);
  static unsigned char OnControlC(EditLine* editor, int key);
  unsigned char CompleteLine();

  std::string prompt_;
  const std::string history_file_;
  const Complete complete_;
  std::unique_ptr<EditLine, decltype(&el_end)> editor_;
  std::unique_ptr<History, decltype(&history_end)> history_;
};

// The longest beginning that all have.
std::string CommonPrefix(const std::vector<std::string>& words);

}  // namespace guideway::cli

#endif  // GUIDEWAY_CONTROLPLANE_CLI_LINE_EDITOR_H_
