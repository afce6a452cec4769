#include "launch/hosts/host_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>
#include <sstream>

#include "base/error.h"

namespace holdfast {
namespace {

std::optional<int> count_of(std::string_view text) {
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  return error == std::errc() && end == text.data() + text.size() && count > 0 ? std::optional<int>(count) : std::nullopt;
}

void add(std::vector<Host>& hosts, std::string name, int slots) {
  const auto known = std::find_if(hosts.begin(), hosts.end(), [&](const Host& host) { return host.name == name; });
  if (known == hosts.end())
    hosts.push_back({std::move(name), slots});
  else
    known->slots += slots;
}

/// A name that could be an option of mpirun's, or two, is none.
bool is_host_name(const std::string& name) { return !name.empty() && name.front() != '-' && name.find_first_of(" \t,=/") == name.npos; }

}  // namespace

std::vector<Host> parse_hosts(const std::string& text) {
  std::vector<Host> hosts;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const std::size_t colon = part.find(':');
    const std::string name = part.substr(0, colon);
    const std::optional<int> slots = colon == part.npos ? 1 : count_of(std::string_view(part).substr(colon + 1));
    if (!is_host_name(name) || !slots)
      throw UsageError(fmt::format("--hosts {}: expected HOST:SLOTS with 1 slot or more, found '{}'\n  next: --hosts a:2,b:2", text, part));
    add(hosts, name, *slots);
  }
  if (hosts.empty()) throw UsageError("--hosts: expected at least one host\n  next: --hosts a:2,b:2");
  return hosts;
}

std::vector<Host> parse_hostfile(const std::string& text, const std::string& file) {
  std::vector<Host> hosts;
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::istringstream words(line.substr(0, line.find('#')));
    std::string name, word;
    if (!(words >> name)) continue;
    std::optional<int> slots = 1;
    while (words >> word)
      if (word.starts_with("slots=")) slots = count_of(std::string_view(word).substr(6));
    if (!is_host_name(name) || !slots)
      throw ConfigError(ErrorText{.attempted = fmt::format("read the hosts in {}:{}", file, number),
                                  .expected = "HOST slots=N with N 1 or more",
                                  .found = "'" + line + "'"});
    add(hosts, name, *slots);
  }
  if (hosts.empty()) throw ConfigError(ErrorText{.attempted = "read the hosts in " + file, .expected = "at least one", .found = "none"});
  return hosts;
}

std::vector<int> parse_slurm_counts(const std::string& text, const std::string& variable) {
  std::vector<int> counts;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const std::size_t open = part.find("(x");
    const std::optional<int> count = count_of(std::string_view(part).substr(0, open));
    const std::optional<int> times = open == part.npos ? 1 : count_of(std::string_view(part).substr(open + 2, part.size() - open - 3));
    if (!count || !times || (open != part.npos && part.back() != ')'))
      throw ConfigError(ErrorText{.attempted = "read " + variable, .expected = "counts like 2(x3),1", .found = "'" + text + "'"});
    counts.insert(counts.end(), static_cast<std::size_t>(*times), *count);
  }
  return counts;
}

int slots_of(const std::vector<Host>& hosts) {
  return std::accumulate(hosts.begin(), hosts.end(), 0, [](int sum, const Host& host) { return sum + host.slots; });
}

std::string to_string(const std::vector<Host>& hosts) {
  std::string text;
  for (const Host& host : hosts) text += fmt::format("{}{}:{}", text.empty() ? "" : ",", host.name, host.slots);
  return text;
}

bool is_same_host(std::string_view a, std::string_view b) {
  const auto is_short_of = [](std::string_view shorter, std::string_view longer) {
    return shorter.find('.') == shorter.npos && longer.size() > shorter.size() && longer.starts_with(shorter) &&
           longer[shorter.size()] == '.';
  };
  return a == b || is_short_of(a, b) || is_short_of(b, a);
}

}  // namespace holdfast
