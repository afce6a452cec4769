// Each thing that can be wrong with a host, put into facts of hosts that are well: it is found, it alone, with the host's name and a next
// step, and at the level that it deserves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "launch/doctor/judge.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kGiB = std::int64_t{1} << 30;

struct Cluster {
  std::vector<HostFacts> hosts;
  PairsFacts pairs;
  JobFacts job;
};

HostFacts sound_host(const std::string& name) {
  HostFacts host{.name = name, .launch_seconds = 0.5};
  host.machine = MachineFacts{.host = name,
                              .kernel = "Linux 6.1",
                              .cores = 8,
                              .memory_bytes = 64 * kGiB,
                              .free_memory_bytes = 60 * kGiB,
                              .shared_memory_bytes = 30 * kGiB,
                              .open_files = 65536,
                              .locked_bytes = 8 << 20,
                              .file_bytes = kUnlimited,
                              .processes = 100000,
                              .huge_pages = "madvise"};
  host.versions = VersionFacts{
      .holdfast = "1", .trainer = "1", .libtorch = "2", .mpi = "Open MPI v4", .hdf5 = "1.10", .instruction_set = "AVX2", .build = "ab"};
  host.disk = DiskFacts{.kind = "ext4",
                        .free_bytes = 100 * kGiB,
                        .free_files = 1000000,
                        .takes_direct_io = true,
                        .written_bytes = 64 << 20,
                        .write_seconds = 0.1,
                        .sync_seconds = 0.001};
  host.sharing = SharingFacts{.seconds = 0.01};
  host.clock = ClockFacts{.offset_seconds = 0.001, .uncertainty_seconds = 0.001};
  return host;
}

/// Three hosts of two ranks each, and a run of some size on them.
Cluster sound() {
  Cluster cluster{.hosts = {sound_host("a"), sound_host("b"), sound_host("c")},
                  .pairs = {.hosts = {"a", "a", "b", "b", "c", "c"}, .expected = 15},
                  .job = {.ranks = 6,
                          .ranks_of_host = {2, 2, 2},
                          .threads = 4,
                          .most_bytes = 10 * kGiB,
                          .state_bytes = kGiB,
                          .rank_bytes = 1000,
                          .gradient_bytes = kGiB / 2}};
  for (int a = 0; a < 6; ++a)
    for (int b = a + 1; b < 6; ++b) cluster.pairs.pairs.push_back({a, b, 20e-6, a / 2 == b / 2 ? 4e9 : 1e9});
  return cluster;
}

std::vector<HostFinding> bad_findings(const Cluster& cluster) {
  std::vector<HostFinding> bad;
  for (const HostFinding& finding : judge(cluster.hosts, cluster.pairs, cluster.job))
    if (finding.level != Level::ok) bad.push_back(finding);
  return bad;
}

TEST(Doctor, FindsNothingWrongWithSoundHosts) {
  const std::vector<HostFinding> findings = judge(sound().hosts, sound().pairs, sound().job);
  EXPECT_EQ(worst(findings), Level::ok);
  std::vector<std::string> checks;
  for (const HostFinding& finding : findings) {
    checks.push_back(finding.check);
    EXPECT_FALSE(finding.found.empty());
    EXPECT_TRUE(finding.next.empty()) << finding.found;
  }
  EXPECT_THAT(checks, testing::ElementsAre("launch", "versions", "run directory", "disk", "write speed", "free space", "clock", "cores",
                                           "limits", "huge pages", "ports", "gpu", "ranks"));
}

struct Wrong {
  const char* name;
  void (*spoil)(Cluster&);
  Level level;
  const char *check, *words;
};

const Wrong kWrongs[] = {
    {"HostThatDoesNotStart", [](Cluster& c) { c.hosts[1].launch_error = "the launcher ended: no route"; }, Level::failure, "launch",
     "b: the launcher ended: no route"},
    {"OtherHoldfast", [](Cluster& c) { c.hosts[1].versions->holdfast = "2"; }, Level::failure, "versions",
     "holdfast: 1 on a and c, 2 on b"},
    {"OtherTrainer", [](Cluster& c) { c.hosts[1].versions->trainer = "2"; }, Level::failure, "versions", "holdfast-train"},
    {"OtherLibTorch", [](Cluster& c) { c.hosts[1].versions->libtorch = "3"; }, Level::failure, "versions", "LibTorch"},
    {"OtherMpi", [](Cluster& c) { c.hosts[1].versions->mpi = "Open MPI v5"; }, Level::failure, "versions", "MPI"},
    {"OtherHdf5", [](Cluster& c) { c.hosts[1].versions->hdf5 = "1.14"; }, Level::failure, "versions", "HDF5"},
    {"OtherBuild", [](Cluster& c) { c.hosts[1].versions->build = "cd"; }, Level::failure, "versions", "build"},
    {"OtherInstructionSet", [](Cluster& c) { c.hosts[1].versions->instruction_set = "AVX512"; }, Level::warning, "versions",
     "instruction set: AVX2 on a and c, AVX512 on b"},
    {"OtherKernel", [](Cluster& c) { c.hosts[1].machine->kernel = "Linux 5"; }, Level::warning, "versions", "kernel"},
    {"TrainerThatDoesNotLoad",
     [](Cluster& c) { c.hosts[1].versions = VersionFacts{.holdfast = "1", .hdf5 = "1.10", .error = "libtorch.so is missing"}; },
     Level::failure, "versions", "b: libtorch.so is missing"},
    {"DirectoryThatIsNotShared", [](Cluster& c) { c.hosts[1].sharing->problem = "finds nothing"; }, Level::failure, "run directory",
     "b: finds nothing"},
    {"LockThatKeepsNobodyOut", [](Cluster& c) { c.hosts[1].sharing->has_lock = true; }, Level::warning, "run directory",
     "does not keep out b"},
    {"LinksThatDoNotShow", [](Cluster& c) { c.hosts[1].sharing->follows_links = false; }, Level::warning, "run directory",
     "b: symbolic links"},
    {"ChangesThatAreSeenLate", [](Cluster& c) { c.hosts[1].sharing->seconds = 1.5; }, Level::warning, "run directory", "after 1.5 s"},
    {"DiskThatCannotBeWritten", [](Cluster& c) { c.hosts[1].disk->error = "read-only"; }, Level::failure, "disk", "b: read-only"},
    {"DiskThatIsMemory",
     [](Cluster& c) {
       for (HostFacts& h : c.hosts) h.disk->kind = "tmpfs";
     },
     Level::warning, "disk", "tmpfs is memory"},
    {"SlowSync", [](Cluster& c) { c.hosts[1].disk->sync_seconds = 0.3; }, Level::warning, "disk", "300.0 ms"},
    {"SlowDisk",
     [](Cluster& c) {
       for (HostFacts& h : c.hosts) h.disk->write_seconds = 10;
     },
     Level::warning, "write speed", "19.2 MiB/s by 3 hosts"},
    {"LongSave",
     [](Cluster& c) {
       c.job.state_bytes = 500 * kGiB;
       c.job.most_bytes = 0;
       for (HostFacts& h : c.hosts) h.machine->free_memory_bytes = h.machine->memory_bytes = 100000 * kGiB;
     },
     Level::warning, "write speed", "a checkpoint of 500.0 GiB takes 4"},
    {"TooLittleSpace", [](Cluster& c) { c.hosts[1].disk->free_bytes = 9 * kGiB; }, Level::failure, "free space",
     "9.0 GiB are free, and all states at one time take up to 10.0 GiB"},
    {"LittleSpace", [](Cluster& c) { c.hosts[1].disk->free_bytes = 11 * kGiB; }, Level::warning, "free space", "11.0 GiB"},
    {"FewFilesLeft", [](Cluster& c) { c.hosts[1].disk->free_files = 10; }, Level::warning, "free space", "10 more files"},
    {"SkewedClock", [](Cluster& c) { c.hosts[1].clock->offset_seconds = -2; }, Level::warning, "clock", "the clock of b is 2.0 s behind"},
    {"VerySkewedClock", [](Cluster& c) { c.hosts[1].clock->offset_seconds = 3600; }, Level::failure, "clock", "60 min ahead"},
    {"TooFewCores", [](Cluster& c) { c.hosts[1].machine->cores = 4; }, Level::warning, "cores", "b: 2 ranks of 4 threads on 4 cores"},
    {"LittleFreeMemory", [](Cluster& c) { c.hosts[1].machine->free_memory_bytes = kGiB; }, Level::warning, "memory",
     "b: 2 ranks of 4 threads take about 5.0 GiB, 1.0 GiB of 64.0 GiB are free"},
    {"LittleMemory",
     [](Cluster& c) {
       c.hosts[1].machine->free_memory_bytes = kGiB;
       c.hosts[1].machine->memory_bytes = 2 * kGiB;
     },
     Level::failure, "memory", "b"},
    {"SmallSharedMemory", [](Cluster& c) { c.hosts[1].machine->shared_memory_bytes = 16 << 20; }, Level::warning, "memory",
     "b: 16.0 MiB are free in /dev/shm"},
    {"FewOpenFiles", [](Cluster& c) { c.hosts[1].machine->open_files = 512; }, Level::warning, "limits", "b: 512 open files"},
    {"VeryFewOpenFiles", [](Cluster& c) { c.hosts[1].machine->open_files = 64; }, Level::failure, "limits", "b: 64 open files"},
    {"ShardLargerThanFilesMayBe", [](Cluster& c) { c.hosts[1].machine->file_bytes = 1 << 20; }, Level::failure, "limits",
     "b: files of at most 1.0 MiB, and a shard has 170.7 MiB"},
    {"LimitedFiles", [](Cluster& c) { c.hosts[1].machine->file_bytes = 8 * kGiB; }, Level::warning, "limits",
     "b: files of at most 8.0 GiB"},
    {"FewProcesses", [](Cluster& c) { c.hosts[1].machine->processes = 20; }, Level::failure, "limits",
     "b: 20 processes and threads, and the ranks have about 24"},
    {"LockedMemoryForInfiniBand", [](Cluster& c) { c.hosts[1].machine->has_fast_network = true; }, Level::warning, "limits", "InfiniBand"},
    {"NoHugePages", [](Cluster& c) { c.hosts[1].machine->huge_pages = "never"; }, Level::warning, "huge pages",
     "b: transparent huge pages are off"},
    {"NoPorts", [](Cluster& c) { c.hosts[1].machine->port_error = "no port can be opened: Address already in use"; }, Level::failure,
     "ports", "b: no port"},
    {"GpusThatNobodyHasTried", [](Cluster& c) { c.hosts[1].machine->gpu_driver = "550.54"; }, Level::warning, "gpu",
     "driver 550.54 on b; what computes on GPUs has not been tried"},
    {"RanksThatDoNotTalk",
     [](Cluster& c) {
       c.pairs.error = "not done";
       c.pairs.waiting = {"rank 1 on a waits for rank 2"};
     },
     Level::failure, "ranks", "not done; rank 1 on a waits for rank 2"},
    {"RanksThatDoNotStart",
     [](Cluster& c) {
       c.pairs.error = "ended early";
       c.pairs.has_started = false;
     },
     Level::failure, "ranks", "ended early"},
    {"PairsThatWereNotTried", [](Cluster& c) { c.pairs.expected = 20; }, Level::warning, "ranks", "15 of 20 pairs"},
};

class Of : public testing::TestWithParam<Wrong> {};

TEST_P(Of, IsFoundAloneWithItsHostAndANextStep) {
  Cluster cluster = sound();
  GetParam().spoil(cluster);
  const std::vector<HostFinding> bad = bad_findings(cluster);
  ASSERT_EQ(bad.size(), 1U) << (bad.size() > 1 ? bad[1].check + ": " + bad[1].found : "nothing is found");
  EXPECT_EQ(bad[0].level, GetParam().level) << bad[0].found;
  EXPECT_EQ(bad[0].check, GetParam().check);
  EXPECT_THAT(bad[0].found, HasSubstr(GetParam().words));
  EXPECT_FALSE(bad[0].next.empty());
}

INSTANTIATE_TEST_SUITE_P(Doctor, Of, testing::ValuesIn(kWrongs), [](const auto& one) { return std::string(one.param.name); });

TEST(Doctor, IsNotWorriedAboutGpusThatTheRunDoesNotUse) {
  Cluster cluster = sound();
  cluster.hosts[1].machine->gpu_driver = "550.54";
  cluster.job.is_on_cpu = true;
  EXPECT_TRUE(bad_findings(cluster).empty());
}

TEST(Doctor, NamesTheSlowPairOfHostsByItsBestPairOfRanks) {
  Cluster cluster = sound();
  for (PairFacts& pair : cluster.pairs.pairs)
    if (pair.a / 2 == 0 && pair.b / 2 == 2) pair.bytes_per_second = 0.2e9;
  const std::vector<HostFinding> bad = bad_findings(cluster);
  ASSERT_EQ(bad.size(), 1U);
  EXPECT_THAT(
      bad[0].found,
      HasSubstr("a and c: 190.7 MiB/s, 20 µs, 5 times slower than between the others; the gradients of an update take 2.7 s there"));
  for (PairFacts& pair : cluster.pairs.pairs)
    if (pair.a == 1 && pair.b == 5) pair.bytes_per_second = 0.9e9;  // the link is well: others used it too
  EXPECT_TRUE(bad_findings(cluster).empty());
}

TEST(Doctor, NamesThePairOfHostsThatAnswersLate) {
  Cluster cluster = sound();
  for (PairFacts& pair : cluster.pairs.pairs)
    if (pair.a / 2 == 0 && pair.b / 2 == 1) pair.latency_seconds = 2e-3;
  const std::vector<HostFinding> bad = bad_findings(cluster);
  ASSERT_EQ(bad.size(), 1U);
  EXPECT_THAT(bad[0].found, HasSubstr("a and b: 953.7 MiB/s, 2.0 ms, 100 times later than between the others"));
}

TEST(Doctor, CallsALinkBelowGigabitEthernetSlowWhereThereIsNoneToCompareWith) {
  Cluster cluster = sound();
  cluster.pairs = {.hosts = {"a", "b"}, .pairs = {{0, 1, 50e-6, 10e6}}, .expected = 1};
  const std::vector<HostFinding> bad = bad_findings(cluster);
  ASSERT_EQ(bad.size(), 1U);
  EXPECT_THAT(bad[0].found, HasSubstr("less than Gigabit Ethernet has"));
}

TEST(Doctor, SaysOnceWhatIsWrongWithSeveralHosts) {
  Cluster cluster = sound();
  for (HostFacts& host : cluster.hosts) host.machine->open_files = 512;
  const std::vector<HostFinding> bad = bad_findings(cluster);
  ASSERT_EQ(bad.size(), 1U);
  EXPECT_THAT(bad[0].found, HasSubstr("all 3 hosts: 512 open files"));
}

}  // namespace
}  // namespace holdfast
