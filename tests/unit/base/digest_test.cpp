#include "base/digest.h"

#include <gmock/gmock.h>

#include <cstring>
#include <stdexcept>

namespace holdfast {
namespace {

using testing::HasSubstr;

std::vector<std::byte> bytes_of_size(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 31 + (i >> 9));
  return bytes;
}

TEST(Digest, IsXxh3With128BitsAndSeed0) {
  EXPECT_EQ(to_hex(digest_of("")), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(to_hex(digest_of("a")), "a96faf705af16834e6c632b61e964e1f");
  EXPECT_EQ(to_hex(digest_of("abc")), "06b05ab6733a618578af5f94892f3950");
}

TEST(Digest, OfTextIsThatOfItsBytes) {
  const char text[] = {'a', '\0', 'b'};
  EXPECT_EQ(digest_of(std::string_view(text, 3)), digest_of(std::as_bytes(std::span(text))));
}

TEST(Digest, ChangesWithEveryBitOfAShortText) {
  const Digest whole = digest_of("holdfast");
  for (int bit = 0; bit < 64; ++bit) {
    std::string text = "holdfast";
    text[static_cast<std::size_t>(bit / 8)] ^= static_cast<char>(1 << bit % 8);
    EXPECT_NE(digest_of(text), whole) << bit;
  }
}

TEST(BlockDigests, CutAtEveryMebibyte) {
  EXPECT_EQ(kDigestBlockBytes, 1048576u);
  for (const auto& [size, blocks] : {std::pair<std::size_t, std::size_t>{0, 0}, {1, 1}, {kDigestBlockBytes, 1}, {kDigestBlockBytes + 1, 2}})
    EXPECT_EQ(block_digests(bytes_of_size(size)).size(), blocks) << size;
}

TEST(BlockDigests, AreTheDigestsOfTheBlocks) {
  const std::vector<std::byte> bytes = bytes_of_size(2 * kDigestBlockBytes + 5);
  const std::vector<Digest> blocks = block_digests(bytes);
  ASSERT_EQ(blocks.size(), 3u);
  EXPECT_EQ(blocks[0], digest_of(std::span(bytes).first(kDigestBlockBytes)));
  EXPECT_EQ(blocks[1], digest_of(std::span(bytes).subspan(kDigestBlockBytes, kDigestBlockBytes)));
  EXPECT_EQ(blocks[2], digest_of(std::span(bytes).last(5)));
}

TEST(BlockDigests, OfOneChangedByteDifferInItsBlockOnly) {
  std::vector<std::byte> bytes = bytes_of_size(3 * kDigestBlockBytes);
  const std::vector<Digest> before = block_digests(bytes);
  bytes[kDigestBlockBytes] ^= std::byte{1};
  const std::vector<Digest> after = block_digests(bytes);
  EXPECT_EQ(after[0], before[0]);
  EXPECT_NE(after[1], before[1]);
  EXPECT_EQ(after[2], before[2]);
}

TEST(RootDigest, IsTheDigestOfTheDigestsInTheirOrder) {
  const std::vector<Digest> blocks = {digest_of("one"), digest_of("two")}, swapped = {blocks[1], blocks[0]};
  std::vector<std::byte> joined(32);
  std::memcpy(joined.data(), blocks[0].bytes.data(), 16);
  std::memcpy(joined.data() + 16, blocks[1].bytes.data(), 16);
  EXPECT_EQ(root_digest(blocks), digest_of(joined));
  EXPECT_NE(root_digest(blocks), root_digest(swapped));
}

TEST(Hex, ComesBackAsTheSameDigest) {
  const Digest digest = digest_of("abc");
  EXPECT_EQ(digest_from_hex(to_hex(digest)), digest);
  EXPECT_EQ(to_hex(Digest{}), "00000000000000000000000000000000");
}

TEST(Hex, OfAnotherLengthOrWithOtherCharactersIsRefused) {
  const std::string good = to_hex(digest_of("abc"));
  std::vector<std::string> bad = {"",
                                  good.substr(1),
                                  good + "0",
                                  good.substr(0, 31) + "g",
                                  "-1" + good.substr(2),
                                  " 1" + good.substr(2),
                                  "0x" + good.substr(2),
                                  good.substr(0, 31) + "F"};
  for (const std::string& hex : bad) {
    try {
      digest_from_hex(hex);
      ADD_FAILURE() << "taken: " << hex;
    } catch (const std::invalid_argument& error) {
      EXPECT_THAT(error.what(), HasSubstr("expected a digest of 32 lower-case hexadecimal digits, found '" + hex + "'"));
    }
  }
}

}  // namespace
}  // namespace holdfast
