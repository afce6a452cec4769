// By which addresses (IPv4) other hosts reach this one.
#pragma once

#include <string>
#include <vector>

namespace holdfast {

/// The sources of the routes to `hosts` first, then those of all other interfaces that are up; no loopback. A host that no name service
/// knows is left out.
std::vector<std::string> own_addresses(const std::vector<std::string>& hosts);

/// Whether a name means this machine: its hostname, short or long, or a name of one of its addresses.
bool is_this_host(const std::string& name);

}  // namespace holdfast
