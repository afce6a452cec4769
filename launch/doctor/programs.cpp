#include "launch/doctor/programs.h"

#include <stdlib.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "base/environment.h"
#include "base/error.h"
#include "base/host.h"
#include "launch/attempt/launcher.h"
#include "launch/attempt/session_directory.h"
#include "launch/hosts/own_addresses.h"

namespace holdfast {
namespace {

std::map<std::string, std::string> variables_of(const AgentOrders& orders) {
  return {{environment::kSupervisor, orders.addresses},
          {environment::kToken, orders.token},
          {environment::kDoctorHost, std::to_string(orders.number)},
          {environment::kDoctorDirectory, orders.directory.string()}};
}

}  // namespace

std::vector<int> ranks_by_host(const std::vector<Host>& hosts, int ranks) {
  std::vector<int> counts;
  for (const Host& host : hosts) {
    counts.push_back(std::min(ranks, host.slots));
    ranks -= counts.back();
  }
  return counts;
}

Scratch::Scratch() : path_(memory_directory() / "holdfast-doctor-XXXXXX") {
  std::string name = path_.string();
  if (::mkdtemp(name.data()) == nullptr)
    throw StorageError(ErrorText{.attempted = "make a directory " + name, .cause = std::strerror(errno)});
  path_ = name;
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Path ProgramStarter::agent_log(int number) const { return scratch_ / fmt::format("agent-{}.log", number); }

/// Other hosts do not have that directory.
std::map<std::string, std::string> ProgramStarter::launcher_variables() const {
  return programs_.hosts.empty() ? session_variables(scratch_) : std::map<std::string, std::string>();
}

pid_t ProgramStarter::start_agent_here(const AgentOrders& orders) const {
  return start_alone({.shim = "",
                      .command = agent_command(),
                      .variables = variables_of(orders),
                      .own_variables = {},
                      .exported = {},
                      .log = agent_log(orders.number)});
}

pid_t ProgramStarter::start_agent_on(const std::string& host, const AgentOrders& orders) const {
  return start_mpirun({.ranks = 1,
                       .hosts = host.empty() ? Placement{} : Placement{{host, 1}},
                       .agent = programs_.agent,
                       .shim = "",
                       .command = agent_command(),
                       .variables = variables_of(orders),
                       .own_variables = launcher_variables(),
                       .exported = {},
                       .log = agent_log(orders.number)});
}

pid_t ProgramStarter::start_talk(const Placement& hosts, int ranks, double seconds, const std::string& tag) const {
  return start_mpirun({.ranks = ranks,
                       .hosts = hosts,
                       .agent = programs_.agent,
                       .shim = "",
                       .command = {programs_.trainer.string(), "--probe", fmt::format("pairs:{:g}", seconds)},
                       .variables = {{environment::kAttemptTag, tag}},
                       .own_variables = launcher_variables(),
                       .exported = {},
                       .log = talk_log()});
}

std::string addresses_for(const std::vector<Host>& hosts, int port) {
  std::vector<std::string> names, addresses = {fmt::format("127.0.0.1:{}", port)};
  for (const Host& host : hosts) names.push_back(host.name);
  if (std::any_of(names.begin(), names.end(), [](const std::string& name) { return !is_this_host(name); })) {
    addresses.clear();
    for (const std::string& address : own_addresses(names)) addresses.push_back(fmt::format("{}:{}", address, port));
  }
  return fmt::format("{}", fmt::join(addresses, ","));
}

}  // namespace holdfast
