// Which ranks would share a GPU, from what each rank says of its own. Pure.
#pragma once

#include <string>
#include <vector>

namespace holdfast {

/// `identities`: by rank, the same text for the same device of the same host. "ranks 0, 2 on HOST"; empty: nobody shares.
std::string sharing_ranks(const std::vector<std::string>& identities);

}  // namespace holdfast
