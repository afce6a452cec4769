#include "launch/hosts/host_list.h"

#include <gmock/gmock.h>

#include "base/error.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

template <class Fails>
std::string message_of(const Fails& fails) {
  try {
    fails();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(HostList, IsReadFromTheCommandLine) {
  EXPECT_THAT(parse_hosts("a:2,b"), ElementsAre(Host{"a", 2}, Host{"b", 1}));
  EXPECT_THAT(parse_hosts("a:2,b:1,a:1"), ElementsAre(Host{"a", 3}, Host{"b", 1}));
  EXPECT_EQ(to_string(parse_hosts("a:2,b")), "a:2,b:1");
  EXPECT_EQ(slots_of(parse_hosts("a:2,b")), 3);
}

TEST(HostList, RefusesWhatIsNoHostByName) {
  for (const char* wrong : {"a:0", "a:x", "a:-1", ":2", "a:2,,b", "-x:1", "a:2 b:2", "a:"})
    EXPECT_THAT(message_of([&] { parse_hosts(wrong); }), HasSubstr("--hosts a:2,b:2")) << wrong;
  EXPECT_THROW(parse_hosts(""), UsageError);
}

TEST(HostList, IsReadFromAFileOfOpenMpisForm) {
  EXPECT_THAT(parse_hostfile("# all\na slots=2 max_slots=4\n\n  b.example.org   # one\na slots=1\n", "hosts"),
              ElementsAre(Host{"a", 3}, Host{"b.example.org", 1}));
  EXPECT_THAT(message_of([] { parse_hostfile("a slots=2\nb slots=none\n", "my/hosts"); }), HasSubstr("my/hosts:2"));
  EXPECT_THROW(parse_hostfile("# nothing\n", "hosts"), ConfigError);
}

TEST(HostList, ReadsSlurmsCounts) {
  EXPECT_THAT(parse_slurm_counts("2(x3),1", "V"), ElementsAre(2, 2, 2, 1));
  EXPECT_THAT(parse_slurm_counts("4", "V"), ElementsAre(4));
  for (const char* wrong : {"2(x", "x", "2(x3", "2(x0)", "0"})
    EXPECT_THAT(message_of([&] { parse_slurm_counts(wrong, "SLURM_TASKS_PER_NODE"); }), HasSubstr("SLURM_TASKS_PER_NODE")) << wrong;
}

TEST(HostList, AShortNameIsTheSameHostAsALongOne) {
  EXPECT_TRUE(is_same_host("a", "a.example.org"));
  EXPECT_TRUE(is_same_host("a.example.org", "a"));
  EXPECT_FALSE(is_same_host("a", "ab"));
  EXPECT_FALSE(is_same_host("a.example.org", "a.example.com"));
}

}  // namespace
}  // namespace holdfast
