#include "launch/doctor/agent.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/host.h"
#include "base/program.h"
#include "launch/doctor/gather.h"
#include "launch/doctor/shared_files.h"
#include "launch/lease/join.h"
#include "launch/lease/line_connection.h"

namespace holdfast {
namespace {

using nlohmann::json;

constexpr double kConnectSeconds = 5;

/// What the threads have found out, for the one that owns the connection.
class Answers {
 public:
  void put(json answer) {
    const std::lock_guard lock(mutex_);
    answers_.push_back(std::move(answer));
    const std::uint64_t one = 1;
    if (::write(event_, &one, sizeof one) < 0) std::abort();  // a counter that cannot be full
  }
  std::vector<json> take() {
    const std::lock_guard lock(mutex_);
    std::uint64_t count = 0;
    if (::read(event_, &count, sizeof count) < 0) return {};
    return std::exchange(answers_, {});
  }
  int fd() const { return event_; }

 private:
  std::mutex mutex_;
  std::vector<json> answers_;
  int event_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
};

json sharing_step(SharedFiles& files, const std::string& what, const json& question) {
  const std::string text = question.value("text", "");
  if (what == "make_directory") {
    make_directories(*make_posix_file_system(), question.at("directory").get<std::string>());
  } else if (what == "remove_directory") {
    const auto disk = make_posix_file_system();
    const Path directory = question.at("directory").get<std::string>();
    disk->remove_file(directory / "lock");
    disk->remove_directory(directory);
  } else if (what == "write") {
    files.write(text);
  } else if (what == "rename") {
    files.rename();
  } else if (what == "remove") {
    files.remove();
  } else if (what == "lock") {
    return {{"has_lock", files.lock()}};
  } else if (what == "look") {
    const SharedFiles::Seen seen =
        files.look(question.at("state"), question.at("hosts").get<std::vector<int>>(), text, question.at("seconds"));
    return {{"problem", seen.problem}, {"made_by", seen.made_by}, {"seconds", seen.seconds}, {"follows_links", seen.follows_links}};
  } else {
    throw std::invalid_argument("an unknown question: " + what);
  }
  return json::object();
}

json answer_to(SharedFiles& files, const json& question) {
  const auto what = question.at("ask").get<std::string>();
  if (what == "clock") return {{"unix_seconds", SystemClock().unix_seconds()}};
  if (what == "machine") return gather_machine();
  if (what == "versions") return gather_versions(question.at("trainer").get<std::string>(), question.at("seconds"));
  if (what == "disk") return measure_disk(question.at("directory").get<std::string>(), question.at("bytes"));
  if (what == "run") {
    const ProgramEnd end = run_program(question.at("words"), {.seconds = question.at("seconds"), .takes_errors = true});
    return {{"exit_code", end.exit_code}, {"output", end.output}, {"was_in_time", end.was_in_time}, {"start_error", end.start_error}};
  }
  return sharing_step(files, what, question);
}

json answer_or_error(SharedFiles& files, const json& question) {
  json answer;
  try {
    answer = answer_to(files, question);
  } catch (const std::exception& error) {
    answer = {{"error", error.what()}};
  }
  return {{"number", question.at("number")}, {"answer", std::move(answer)}};
}

}  // namespace

int answer_doctor() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGPIPE, SIG_IGN);
  const std::string addresses = environment::get(environment::kSupervisor).value_or("");
  const int host = environment::get_number(environment::kDoctorHost, 0);
  const json hello = {{"token", environment::get(environment::kToken).value_or("")}, {"number", host}, {"host", host_name()}};
  const Joined joined = join(addresses, {{"hello", hello}}, kConnectSeconds);
  if (!joined.line) {
    fmt::print(stderr, "{} has tried to reach holdfast doctor at {}, and nobody answered\n", host_name(), addresses);
    return kExitUnavailable;
  }
  LineConnection& line = *joined.line;
  const auto answers = std::make_shared<Answers>();
  const auto files = std::make_shared<SharedFiles>(environment::get(environment::kDoctorDirectory).value_or("."), host);
  const auto take = [&](const json& question) {
    if (question.value("ask", "") == "clock")
      line.send(answer_or_error(*files, question));  // at once: a thread's start would pass for a clock that is late
    else
      std::thread([answers, files, question] { answers->put(answer_or_error(*files, question)); }).detach();
  };
  for (const json& question : joined.heard_so_far) take(question);
  while (line.is_open()) {
    pollfd waiting[2] = {{.fd = line.fd(), .events = POLLIN, .revents = 0}, {.fd = answers->fd(), .events = POLLIN, .revents = 0}};
    ::poll(waiting, 2, 1000);
    for (json& answer : answers->take()) line.send(answer);
    line.receive(take);
  }
  ::_exit(kExitOk);  // threads that a file system holds are not waited for
}

}  // namespace holdfast
