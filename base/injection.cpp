#include "base/injection.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "base/log.h"

namespace holdfast {
namespace {

struct NamedKind {
  std::string_view name, meaning;  // the latter where the name does not say it
  FaultKind kind;
};
constexpr std::array<NamedKind, 11> kKinds = {{{"kill", "", FaultKind::kill},
                                               {"segv", "", FaultKind::segv},
                                               {"abort", "", FaultKind::abort},
                                               {"exit", "", FaultKind::exit},
                                               {"throw", "", FaultKind::throw_exception},
                                               {"flip", "a bit in the rank's memory", FaultKind::flip},
                                               {"stop", "SIGTERM", FaultKind::stop},
                                               {"hang", "for ever", FaultKind::hang},
                                               {"nan", "in a gradient", FaultKind::nan},
                                               {"spike", "a loss a thousand times as large", FaultKind::spike},
                                               {"stall", "for seconds=T", FaultKind::stall}}};

constexpr int kLongestStallSeconds = 1'000'000;

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
  throw UsageError(fmt::format(
      "--inject {}: {}\n  form: KIND:rank=R,step=S[,section=NAME][,occurrence=N][,seconds=T], KIND one of {}; NAME one of data (if none is "
      "given; nan and spike: backward), forward, backward, reduce, update, checkpoint, commit, validation, finish, restore "
      "(whose step is 0)",
      text, why, fault_kinds()));
}

FaultKind kind_from(std::string_view text, std::string_view name) {
  for (const NamedKind& known : kKinds)
    if (known.name == name) return known.kind;
  refuse(text, fmt::format("unknown kind '{}'", name));
}

std::int64_t number_from(std::string_view text, std::string_view key, std::string_view value) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc{} || end != value.data() + value.size() || number < 0)
    refuse(text, fmt::format("'{}' must be a number that is not negative, found '{}'", key, value));
  return number;
}

int int_from(std::string_view text, std::string_view key, std::string_view value) {
  const std::int64_t number = number_from(text, key, value);
  if (number > std::numeric_limits<int>::max()) refuse(text, fmt::format("'{}' is too large", key));
  return static_cast<int>(number);
}

bool spoils_a_number(FaultKind kind) { return kind == FaultKind::nan || kind == FaultKind::spike; }

double seconds_from(std::string_view text, std::string_view value) {
  double seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error != std::errc{} || end != value.data() + value.size() || !(seconds > 0 && seconds <= kLongestStallSeconds))
    refuse(text, fmt::format("'seconds' must be above 0 and at most {}, found '{}'", kLongestStallSeconds, value));
  return seconds;
}

void strike(const Injection& injection, const std::function<void()>& flip, const std::function<void(FaultKind)>& spoil) {
  switch (injection.kind) {
    case FaultKind::kill: ::raise(SIGKILL); break;
    case FaultKind::segv:
      ::signal(SIGSEGV, SIG_DFL);
      ::raise(SIGSEGV);
      break;
    case FaultKind::abort: std::abort();
    case FaultKind::exit: ::_exit(3);
    case FaultKind::throw_exception: throw InjectedException("injected exception (" + injection.text + ")");
    case FaultKind::flip:
      if (flip) flip();
      return;
    case FaultKind::stop: ::raise(SIGTERM); return;
    case FaultKind::hang:
      for (;;) ::pause();
    case FaultKind::nan:
    case FaultKind::spike:
      if (spoil) spoil(injection.kind);
      return;
    case FaultKind::stall: std::this_thread::sleep_for(std::chrono::duration<double>(injection.seconds.value_or(0))); return;
  }
  std::abort();
}

/// One short write with O_APPEND, so that several ranks may write the same file.
void append_durably(const Path& path, const std::string& line) {
  errno = 0;
  const int fd = ::open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
  const bool is_written = fd >= 0 && ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && ::fsync(fd) == 0;
  const int cause = errno != 0 ? errno : ENOSPC;  // a short write sets none
  if (fd >= 0) ::close(fd);
  if (!is_written)
    throw StorageError(ErrorText{.attempted = "record the injected fault in " + path.string(),
                                 .cause = std::strerror(cause),
                                 .next = "free space there, or start again without --inject"});
}

}  // namespace

std::string fault_kinds() {
  std::string text;
  for (const NamedKind& known : kKinds)
    text += fmt::format("{}{}{}", text.empty() ? "" : ", ", known.name, known.meaning.empty() ? "" : fmt::format(" ({})", known.meaning));
  return text;
}

Injection parse_injection(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == text.npos) refuse(text, "a kind and a colon must come first");
  Injection injection{.kind = kind_from(text, text.substr(0, colon)), .text = std::string(text)};
  if (spoils_a_number(injection.kind)) injection.section = Section::backward;
  bool has_rank = false, has_step = false;
  std::istringstream parts{std::string(text.substr(colon + 1))};
  for (std::string part; std::getline(parts, part, ',');) {
    const std::size_t equals = part.find('=');
    if (equals == part.npos) refuse(text, fmt::format("'{}' is not KEY=VALUE", part));
    const std::string key = part.substr(0, equals), value = part.substr(equals + 1);
    if (key == "rank") {
      injection.rank = int_from(text, key, value);
      has_rank = true;
    } else if (key == "step") {
      injection.step = number_from(text, key, value);
      has_step = true;
    } else if (key == "occurrence") {
      injection.occurrence = int_from(text, key, value);
      if (injection.occurrence == 0) refuse(text, "'occurrence' counts from 1");
    } else if (key == "seconds") {
      injection.seconds = seconds_from(text, value);
      if (injection.kind != FaultKind::stall) refuse(text, "'seconds' are a stall's");
    } else if (key == "section") {
      try {
        injection.section = section_from(value);
      } catch (const std::invalid_argument&) {
        refuse(text, fmt::format("unknown section '{}'", value));
      }
      if (injection.section == Section::setup) refuse(text, "no fault strikes in section 'setup'");
    } else {
      refuse(text, fmt::format("unknown key '{}'", key));
    }
  }
  if (!has_rank || !has_step) refuse(text, "rank and step are needed");
  if (spoils_a_number(injection.kind) && injection.section != Section::backward)
    refuse(text, "it spoils what the section 'backward' computes, and strikes in no other");
  if (injection.kind == FaultKind::stall && !injection.seconds) refuse(text, "a stall needs seconds");
  return injection;
}

InjectionPlan::InjectionPlan(std::vector<Injection> injections, int rank, FileSystem& files, Path fired_record)
    : fired_record_(std::move(fired_record)) {
  std::vector<std::string> fired;
  if (files.kind(fired_record_) == FileKind::file) {
    std::istringstream lines(read_text(files, fired_record_));
    for (std::string line; std::getline(lines, line);) fired.push_back(line);
  }
  for (Injection& injection : injections) {
    const bool has_fired = std::find(fired.begin(), fired.end(), injection.text) != fired.end();
    if (injection.rank == rank && !has_fired) pending_.push_back({std::move(injection)});
  }
}

void InjectionPlan::at_point(Section section, std::int64_t step) {
  for (Pending& pending : pending_) {
    const Injection& injection = pending.injection;
    {
      const std::lock_guard lock(mutex_);  // not while it strikes: a stall holds up no other thread
      if (injection.section != section || step < injection.step || ++pending.seen != injection.occurrence) continue;
    }
    append_durably(fired_record_, injection.text + "\n");
    log_warning("injected fault strikes: {} (section {}, step {})", injection.text, name_of(section), step);
    strike(injection, flip_, spoil_);
  }
}

}  // namespace holdfast
