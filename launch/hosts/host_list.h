// The hosts that a run may use, as a command line or a file names them. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

struct Host {
  std::string name;
  int slots = 1;  // ranks that it takes
  bool operator==(const Host&) const = default;
};

/// "a:2,b" -> a with 2 slots, b with 1; a host that comes twice has the sum. Throws UsageError.
std::vector<Host> parse_hosts(const std::string& text);

/// Open MPI's form: a host a line, "b slots=2 max_slots=4", '#' before a comment. Without slots= a line counts 1. `file` is for messages.
/// Throws ConfigError with the line.
std::vector<Host> parse_hostfile(const std::string& text, const std::string& file);

/// Slurm's counts of a whole allocation: "2(x3),1" -> 2 2 2 1. Throws ConfigError.
std::vector<int> parse_slurm_counts(const std::string& text, const std::string& variable);

int slots_of(const std::vector<Host>& hosts);
/// "a:2,b:1": what parse_hosts() reads, and mpirun's --host.
std::string to_string(const std::vector<Host>& hosts);
/// Names that mean the same host: equal, or equal up to the domain where one of them has none.
bool is_same_host(std::string_view a, std::string_view b);

}  // namespace holdfast
