// A program that is run for what it prints: started with the words it is given, without a shell, read until it ends or its time is over.
// Any thread.
#pragma once

#include <limits>
#include <string>
#include <vector>

namespace holdfast {

struct ProgramOptions {
  double seconds = std::numeric_limits<double>::infinity();  // after which it is killed, with all that it has started
  bool takes_errors = false;                                 // what it writes to standard error is output, too; else it goes to ours
};

struct ProgramEnd {
  int start_error = 0;  // errno: it could not be started, and nothing below is so
  int exit_code = 0;    // 128 + the signal that ended it
  int signal = 0;       // that ended it; 0: it exited
  bool was_in_time = true;
  std::string output;  // standard output
  bool is_good() const { return start_error == 0 && was_in_time && signal == 0 && exit_code == 0; }
};

/// `words`: the program, a path or a name that is looked up on PATH, and its arguments. Blocks; of a program that the kernel does not let
/// go of, a second longer than `seconds` at most. Throws nothing but for want of memory.
ProgramEnd run_program(std::vector<std::string> words, const ProgramOptions& options = {});

}  // namespace holdfast
