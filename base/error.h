// Typed errors. The type says what the catcher should do, the text says what a person should do.
#pragma once

#include <stdexcept>
#include <string>

#include "base/exit_code.h"

namespace holdfast {

/// What every error message tells: what was attempted and on which object, what was expected against what was found,
/// the cause, and the next step. Empty parts are left out.
struct ErrorText {
  std::string attempted;
  std::string expected;
  std::string found;
  std::string cause;
  std::string next;
};

/// "attempted: expected E, found F: cause\n  next: N"
std::string to_string(const ErrorText& text);

class Error : public std::runtime_error {
 public:
  Error(const std::string& what, int exit_code) : std::runtime_error(what), exit_code_(exit_code) {}
  int exit_code() const { return exit_code_; }

 private:
  int exit_code_;
};

/// The command line is wrong: show the usage.
class UsageError : public Error {
 public:
  explicit UsageError(const std::string& what) : Error(what, kExitUsage) {}
};

/// The configuration is wrong: fix it and run again; retrying does not help.
class ConfigError : public Error {
 public:
  explicit ConfigError(const std::string& what) : Error(what, kExitConfiguration) {}
  explicit ConfigError(const ErrorText& text) : ConfigError(to_string(text)) {}
};

/// Training data is missing or malformed.
class DataError : public Error {
 public:
  explicit DataError(const std::string& what) : Error(what, kExitData) {}
  explicit DataError(const ErrorText& text) : DataError(to_string(text)) {}
};

/// A checkpoint is damaged: fall back to an older one.
class CorruptCheckpoint : public Error {
 public:
  explicit CorruptCheckpoint(const std::string& what) : Error(what, kExitData) {}
  explicit CorruptCheckpoint(const ErrorText& text) : CorruptCheckpoint(to_string(text)) {}
};

/// A file operation failed: retry at the next occasion, keep training.
class StorageError : public Error {
 public:
  explicit StorageError(const std::string& what) : Error(what, kExitStorage) {}
  explicit StorageError(const ErrorText& text) : StorageError(to_string(text)) {}
};

/// What ended the run would end it again, on every rank: end, and do not start again.
class FutileError : public Error {
 public:
  explicit FutileError(const ErrorText& text) : Error(to_string(text), kExitSoftware) {}
};

/// An update was not made, and what it would have been made of is left out from now on: end, and go on from the newest checkpoint.
class RolledBack : public Error {
 public:
  explicit RolledBack(const ErrorText& text) : Error(to_string(text), kExitRolledBack) {}
};

/// Another rank failed or is gone: end, and be restarted.
class PeerLost : public Error {
 public:
  explicit PeerLost(const std::string& what) : Error(what, kExitUnavailable) {}
};

}  // namespace holdfast
