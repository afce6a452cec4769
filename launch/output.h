// stdout of a supervised run, written by a thread of its own: whoever reads it may be slow, stopped (Ctrl-S) or gone, and the
// supervisor, whose lease keeps the ranks alive, must not wait for that.
#pragma once

#include <memory>
#include <string>

namespace holdfast {

class Output {
 public:
  /// Writes to the open file descriptor `fd`.
  explicit Output(int fd);
  /// Gives what is still waiting a second to be read; then it is lost.
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  /// Never blocks. What does not fit into 1 MiB of waiting text is left out, and a line says how often.
  void write(const std::string& text);
  /// Something waits to be read: the moment to leave out what will be renewed anyway.
  bool is_behind() const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;  // the thread's too: it may outlive this object, inside a write that never ends
};

}  // namespace holdfast
