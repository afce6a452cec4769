#include "launch/doctor/host_links.h"

#include <poll.h>
#include <sys/wait.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/reap.h"
#include "launch/shim/log_tail.h"

namespace holdfast {
namespace {

constexpr double kKillSeconds = 0.5;
constexpr std::size_t kWords = 4;  // lines of a launcher that are shown

/// The launcher's words without what frames them, and without its guesses.
std::vector<std::string> words_of(const Path& log) {
  std::vector<std::string> lines = last_lines(log, 40);
  std::erase_if(lines, [](const std::string& line) { return line.find_first_not_of("- ") == line.npos; });
  lines.erase(std::find_if(lines.begin(), lines.end(), [](const std::string& line) { return line.starts_with("This usually is caused"); }),
              lines.end());
  if (lines.size() > kWords) lines.resize(kWords);
  return lines;
}

}  // namespace

HostLinks::~HostLinks() { close(0); }

void HostLinks::add(pid_t launcher, Path log) {
  hosts_.push_back({.launcher = launcher, .log = std::move(log), .started_at = clock_.seconds(), .line = nullptr});
}

void HostLinks::wait_for_agents(double seconds, const std::function<void(int host)>& on_there) {
  const double end = clock_.seconds() + seconds;
  const auto is_open = [](const Host& host) { return !host.line && !host.has_ended; };
  std::vector<bool> is_told(hosts_.size(), false);
  const auto tell = [&] {
    for (std::size_t host = 0; host < hosts_.size(); ++host)
      if (hosts_[host].line && !is_told[host]) {
        is_told[host] = true;
        on_there(static_cast<int>(host));
      }
  };
  while (clock_.seconds() < end && std::any_of(hosts_.begin(), hosts_.end(), is_open)) {
    turn(end - clock_.seconds());
    tell();
  }
  tell();
}

std::string HostLinks::launch_error(int number) const {
  const Host& host = hosts_[static_cast<std::size_t>(number)];
  const std::vector<std::string> words = words_of(host.log);
  const std::string said = words.empty() ? "it said nothing" : fmt::format("{}", fmt::join(words, " "));
  return host.has_ended ? "the launcher ended: " + said
                        : fmt::format("no answer within {:.0f} s; the launcher: {}", clock_.seconds() - host.started_at, said);
}

int HostLinks::post(const std::vector<int>& hosts, nlohmann::json question) {
  question["number"] = ++questions_;
  for (const int host : hosts)
    if (const auto& line = hosts_[static_cast<std::size_t>(host)].line; line && line->is_open()) {
      line->send(question);
      asked_[questions_].push_back(host);
    }
  return questions_;
}

std::map<int, nlohmann::json> HostLinks::collect(int number, double seconds) {
  const double end = clock_.seconds() + seconds;
  const auto is_missing = [this, number](int host) {
    return !answers_[number].contains(host) && hosts_[static_cast<std::size_t>(host)].line->is_open();
  };
  while (clock_.seconds() < end && std::any_of(asked_[number].begin(), asked_[number].end(), is_missing)) turn(end - clock_.seconds());
  return answers_[number];
}

void HostLinks::turn(double seconds) {
  std::vector<pollfd> waiting = {{.fd = listener_.fd(), .events = POLLIN, .revents = 0}};
  for (const auto& stranger : strangers_) waiting.push_back({.fd = stranger->fd(), .events = POLLIN, .revents = 0});
  for (const Host& host : hosts_)
    if (host.line && host.line->is_open()) waiting.push_back({.fd = host.line->fd(), .events = POLLIN, .revents = 0});
  constexpr double kLongest = 0.05;  // the launchers' ends wake nobody
  ::poll(waiting.data(), waiting.size(), static_cast<int>(std::ceil(std::clamp(seconds, 0.0, kLongest) * 1000)));
  take_strangers();
  for (std::size_t number = 0; number < hosts_.size(); ++number)
    if (hosts_[number].line)
      hosts_[number].line->receive([this, number](const nlohmann::json& message) { take_answer(static_cast<int>(number), message); });
  for (Host& host : hosts_)
    if (!host.has_ended && ::waitpid(host.launcher, nullptr, WNOHANG) == host.launcher) host.has_ended = true;
}

void HostLinks::take_answer(int host, const nlohmann::json& message) {
  const auto number = message.find("number"), answer = message.find("answer");
  if (number != message.end() && number->is_number_integer() && answer != message.end() && answer->is_object())
    answers_[number->get<int>()][host] = *answer;
  else
    hosts_[static_cast<std::size_t>(host)].line->close();  // no agent of ours
}

void HostLinks::take_strangers() {
  while (auto line = listener_.accept()) strangers_.push_back(std::move(line));
  for (auto& stranger : strangers_) {
    nlohmann::json hello;
    stranger->receive([&hello](const nlohmann::json& message) { hello = message; });
    if (!hello.is_null() && !take_hello(stranger, hello)) stranger->close();
  }
  std::erase_if(strangers_, [](const auto& line) { return !line || !line->is_open(); });
}

bool HostLinks::take_hello(std::unique_ptr<LineConnection>& line, const nlohmann::json& message) {
  const nlohmann::json hello = message.value("hello", nlohmann::json());
  if (!hello.is_object() || hello.value("token", nlohmann::json()) != token_) return false;
  const nlohmann::json said = hello.value("number", nlohmann::json());
  if (!said.is_number_unsigned()) return false;
  const auto number = said.get<std::size_t>();
  if (number >= hosts_.size() || hosts_[number].line) return false;
  hosts_[number].launch_seconds = clock_.seconds() - hosts_[number].started_at;
  line->send({{"command", "welcome"}});
  hosts_[number].line = std::move(line);
  return true;
}

void HostLinks::close(double seconds) {
  for (Host& host : hosts_)
    if (!host.line) end(host);  // its agent has not come in all the time: there is nothing to wait for
  for (Host& host : hosts_) host.line.reset();
  const double patience = clock_.seconds() + seconds;
  const auto is_left = [](const Host& host) { return !host.has_ended; };
  while (clock_.seconds() < patience && std::any_of(hosts_.begin(), hosts_.end(), is_left)) turn(patience - clock_.seconds());
  for (Host& host : hosts_) end(host);
}

void HostLinks::end(Host& host) {
  if (!std::exchange(host.has_ended, true))
    kill_and_reap(host.launcher, kKillSeconds);  // one that a file system holds cannot even be killed: it is not waited for
}

}  // namespace holdfast
