#include "cuda/device_identity.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(SharingRanks, AreThoseWithOneDeviceOfOneHost) {
  EXPECT_EQ(sharing_ranks({"a gpu0", "a gpu1", "a gpu0", "b gpu1"}), "ranks 0, 2 on a gpu0");
}

TEST(SharingRanks, AreNoneWhereEachHasADeviceOfItsOwn) {
  EXPECT_EQ(sharing_ranks({"a gpu0", "a gpu1", "b gpu0", "b gpu1"}), "");
  EXPECT_EQ(sharing_ranks({"a gpu0"}), "");
}

}  // namespace
}  // namespace holdfast
