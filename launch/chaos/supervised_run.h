// `holdfast run` as a child process, its output in a file, started again as often as it takes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/file_system.h"

namespace holdfast {

class SupervisedRun {
 public:
  /// `command`: program and words. Starts nothing.
  SupervisedRun(std::vector<std::string> command, Path log) : command_(std::move(command)), log_(std::move(log)) {}
  /// Kills it if it lives.
  ~SupervisedRun();
  SupervisedRun(const SupervisedRun&) = delete;
  SupervisedRun& operator=(const SupervisedRun&) = delete;

  void start();
  pid_t pid() const { return pid_; }
  /// How it ended, as waitpid tells it, once; nullopt: it lives, or that was told.
  std::optional<int> take_end();

 private:
  std::vector<std::string> command_;
  Path log_;
  pid_t pid_ = 0;
};

}  // namespace holdfast
