// XXH3-128 digests (https://xxhash.com), the one hash of checkpoints, replicas and manifests.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

/// An XXH3-128 value in its canonical (big-endian) byte order.
struct Digest {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const Digest&) const = default;
};

/// Digests cover blocks of this many bytes at fixed offsets inside the logical tensor.
inline constexpr std::size_t kDigestBlockBytes = std::size_t{1} << 20;

Digest digest_of(std::span<const std::byte> bytes);
Digest digest_of(std::string_view text);

/// One digest per started block of kDigestBlockBytes; empty for no bytes.
std::vector<Digest> block_digests(std::span<const std::byte> bytes);

/// The digest of the concatenated block digests.
Digest root_digest(std::span<const Digest> blocks);

/// As kDigestDigits lower-case hexadecimal digits.
inline constexpr std::size_t kDigestDigits = 32;
std::string to_hex(const Digest& digest);
/// Throws std::invalid_argument unless `hex` is that.
Digest digest_from_hex(std::string_view hex);

}  // namespace holdfast
