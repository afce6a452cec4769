#include "checkpoint/format/tensor_hash.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace holdfast {

Digest hash_of(std::vector<TensorDigests> tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) { return a.info.name < b.info.name; });
  std::string text;
  for (const TensorDigests& tensor : tensors)
    text += fmt::format("{} {} [{}] {}\n", tensor.info.name, name_of(tensor.info.dtype), fmt::join(tensor.info.shape, ", "),
                        to_hex(root_digest(tensor.blocks)));
  return digest_of(text);
}

}  // namespace holdfast
