#include "trainer/devices/cuda_plugin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "base/error.h"
#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char *kTwoGpus = FAKE_DRIVERS "/libtwo_gpus.so", *kNoGpu = FAKE_DRIVERS "/libno_gpu.so",
                     *kBroken = FAKE_DRIVERS "/libbroken_driver.so", *kAbsent = "libcuda-that-is-not-there.so.1";

/// The words of the ConfigError that `call` ends with.
std::string refusal_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.exit_code(), kExitConfiguration);
    return error.what();
  }
  return "nothing was refused";
}

std::string refusal(const CudaParts& parts) {
  return refusal_of([&] {
    std::string note;
    open_device(DeviceChoice::cuda, {}, parts, note);
  });
}

TEST(Driver, IsAskedForItsGpus) {
  EXPECT_EQ(ask_driver(kTwoGpus).devices, 2);
  EXPECT_EQ(ask_driver(kTwoGpus).problem, "");
}

TEST(Driver, ThatIsMissingOrHasNoGpuOrDoesNotStartIsToldApart) {
  EXPECT_THAT(ask_driver(kAbsent).problem, AllOf(HasSubstr("no driver"), HasSubstr(kAbsent)));
  EXPECT_THAT(ask_driver(kNoGpu).problem, HasSubstr("no GPU that it can use"));
  EXPECT_THAT(ask_driver(kBroken).problem, HasSubstr("cuInit fails with 999"));
  for (const char* driver : {kAbsent, kNoGpu, kBroken}) EXPECT_EQ(ask_driver(driver).devices, 0);
}

TEST(Device, IsTheCpuWhereItIsAskedForWhateverThereIs) {
  std::string note;
  EXPECT_TRUE(open_device(DeviceChoice::cpu, {}, {"/not/there.so", kTwoGpus}, note)->place().is_cpu());
  EXPECT_EQ(note, "");
}

TEST(Device, IsTheCpuByItselfWhereThereIsNoDriverAndSaysWhyInOneLine) {
  std::string note;
  EXPECT_TRUE(open_device(DeviceChoice::automatic, {}, {"/not/there.so", kAbsent}, note)->place().is_cpu());
  EXPECT_THAT(note, HasSubstr("computes on the CPU: no NVIDIA driver"));
  EXPECT_EQ(note.find('\n'), std::string::npos);
}

TEST(Device, IsTheCpuByItselfWhereThisBuildCannotUseTheGpusAndSaysSo) {
  std::string note;
  EXPECT_TRUE(open_device(DeviceChoice::automatic, {}, {"/not/there.so", kTwoGpus}, note)->place().is_cpu());
  EXPECT_THAT(note, AllOf(HasSubstr("leaves 2 GPUs alone"), HasSubstr("libholdfast_cuda.so")));
}

TEST(Device, ThatIsAskedForAndNotBuiltIsRefusedWithTheNameOfTheFile) {
  EXPECT_THAT(refusal({"/not/there.so", kTwoGpus}), AllOf(HasSubstr("/not/there.so"), HasSubstr("no CUDA part"), HasSubstr("docs/gpus.md"),
                                                          HasSubstr("run.device: cpu"), Not(HasSubstr("this host has"))));
  EXPECT_THAT(refusal({"/not/there.so", kAbsent}), HasSubstr("this build has no CUDA part; and this host has no driver"));
}

TEST(Device, OfALibraryThatIsNoPluginIsRefused) { EXPECT_THAT(refusal({kTwoGpus, kTwoGpus}), HasSubstr("it is no plugin")); }

TEST(Device, OfAPluginWhoseLibrariesAreMissingIsRefusedWithTheirName) {
  EXPECT_THAT(refusal({FAKE_DRIVERS "/liblacking_plugin.so", kTwoGpus}),
              AllOf(HasSubstr("libneeded_by_plugin.so"), HasSubstr("HOLDFAST_WITH_CUDA=1 bash scripts/setup.sh")));
}

TEST(Device, OfAPluginWithoutTheEntryPointIsRefused) {
  EXPECT_THAT(refusal({FAKE_DRIVERS "/libentryless_plugin.so", kTwoGpus}), HasSubstr(kOpenCudaDevice));
}

TEST(Device, ThatIsAskedForWithoutAGpuIsRefusedWithWhatTheDriverSays) {
  EXPECT_THAT(refusal({FAKE_DRIVERS "/libwhole_plugin.so", kNoGpu}),
              AllOf(HasSubstr("a driver and a GPU"), HasSubstr("no GPU that it can use"), HasSubstr("nvidia-smi")));
}

TEST(Device, ComesFromThePluginWhereAllIsThere) {
  for (const DeviceChoice choice : {DeviceChoice::automatic, DeviceChoice::cuda}) {
    std::string note;
    EXPECT_EQ(open_device(choice, {.local_rank = 3}, {FAKE_DRIVERS "/libwhole_plugin.so", kTwoGpus}, note)->description(),
              "made up, for rank 3 of the host");
    EXPECT_EQ(note, "");
  }
}

}  // namespace
}  // namespace holdfast
