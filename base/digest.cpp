#include "base/digest.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace holdfast {

Digest digest_of(std::span<const std::byte> bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  Digest digest;
  std::memcpy(digest.bytes.data(), canonical.digest, digest.bytes.size());
  return digest;
}

Digest digest_of(std::string_view text) { return digest_of(std::as_bytes(std::span(text.data(), text.size()))); }

std::vector<Digest> block_digests(std::span<const std::byte> bytes) {
  std::vector<Digest> out;
  out.reserve(bytes.size() / kDigestBlockBytes + 1);
  for (std::size_t at = 0; at < bytes.size(); at += kDigestBlockBytes)
    out.push_back(digest_of(bytes.subspan(at, std::min(kDigestBlockBytes, bytes.size() - at))));
  return out;
}

Digest root_digest(std::span<const Digest> blocks) { return digest_of(std::as_bytes(blocks)); }

std::string to_hex(const Digest& digest) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t byte : digest.bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

Digest digest_from_hex(std::string_view hex) {
  const auto value_of = [](char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
  };
  Digest digest;
  bool good = hex.size() == 2 * digest.bytes.size();
  for (std::size_t i = 0; good && i < digest.bytes.size(); ++i) {
    const int high = value_of(hex[2 * i]), low = value_of(hex[2 * i + 1]);
    good = high >= 0 && low >= 0;
    digest.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  if (!good) throw std::invalid_argument(fmt::format("expected a digest of 32 lower-case hexadecimal digits, found '{}'", hex));
  return digest;
}

}  // namespace holdfast
