// The terminal as a page that is drawn again and again, for `guideway top`. Plain ANSI sequences.
//
// Thread safety: none, one thread; one at a time in a process.
#ifndef GUIDEWAY_CONTROLPLANE_CLI_SCREEN_H_
#define GUIDEWAY_CONTROLPLANE_CLI_SCREEN_H_

#include <signal.h>
#include <termios.h>

#include <string>

#include "absl/time/time.h"
#include "lib/base/unique_fd.h"

namespace guideway::cli {

class Screen {
 public:
  // Whether standard input and output are a terminal.
  static bool IsTerminal();

  // Takes the terminal over: another page, no cursor, keys at once. The signals that end a program
  // or tell of another size are taken by Wait() until the destructor gives everything back; threads
  // that are made meanwhile do not get them.
  Screen();
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  struct Size {
    int rows = 24;
    int columns = 80;
  };
  Size size() const;
  // Draws the lines of `text`, cut to the size. ASCII only.
  void Show(const std::string& text);

  enum class Event { kTimeout, kResized, kQuit };
  // Until something happens or the time is up. q, Ctrl-C, Ctrl-D, a hang-up and the signals that
  // end programs are kQuit.
  Event Wait(absl::Duration time);

 private:
  void Write(const std::string& bytes);

  termios before_ = {};
  sigset_t mask_before_ = {};
  UniqueFd signals_;
  bool broken_ = false;  // the terminal has gone
};

// `text` cut to so many lines of so many characters, each line with `end` behind it.
std::string CutToSize(const std::string& text, Screen::Size size, const std::string& end);

}  // namespace guideway::cli

#endif  // GUIDEWAY_CONTROLPLANE_CLI_SCREEN_H_
