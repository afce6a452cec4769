#include "apps/train/probe.h"

#include <ATen/Version.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <link.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <thread>

#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/host.h"
#include "base/text_file.h"
#include "dist/communicator.h"
#include "dist/pair_probe.h"
#include "trainer/state/provenance.h"

namespace holdfast {
namespace {

constexpr auto kLongWait = std::chrono::seconds(2);

/// In one write: lines of several ranks do not mix then.
void print_line(const std::string& text) {
  const std::string line = "probe " + text + "\n";
  if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) std::exit(kExitStorage);
}

/// This program and the libraries of ours that it has loaded, byte by byte: versions alone do not tell two builds apart.
std::string build_digest() {
  std::vector<std::string> files = {"/proc/self/exe"};
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* list) {
        const std::string name = info->dlpi_name;
        if (name.find("/libholdfast_") != name.npos) static_cast<std::vector<std::string>*>(list)->push_back(name);
        return 0;
      },
      &files);
  std::string digests;
  for (const std::string& name : files) {
    std::ifstream file(name, std::ios::binary);
    const std::string bytes = rest_of(file);
    if (file.bad()) throw StorageError(ErrorText{.attempted = "read " + name});
    digests += to_hex(digest_of(std::as_bytes(std::span(bytes))));
  }
  return to_hex(digest_of(std::as_bytes(std::span(digests)))).substr(0, 12);
}

/// Says on whom this rank waits, if that takes long: the one line that is there when nothing comes after it.
class WaitNotice {
 public:
  explicit WaitNotice(int rank) : rank_(rank), thread_([this](const std::stop_token& stop) { watch(stop); }) {}
  void about_to(int peer) {
    {
      const std::lock_guard lock(mutex_);
      peer_ = peer;
      since_ = std::chrono::steady_clock::now();
      is_told_ = false;
    }
    changed_.notify_one();
  }

 private:
  void watch(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      changed_.wait_until(lock, stop, since_ + kLongWait,
                          [this] { return peer_ >= 0 && std::chrono::steady_clock::now() >= since_ + kLongWait; });
      if (peer_ < 0 || is_told_ || std::chrono::steady_clock::now() < since_ + kLongWait) {
        changed_.wait_for(lock, stop, kLongWait / 4, [] { return false; });
        continue;
      }
      print_line(fmt::format("waiting rank {} on {} waits for rank {}", rank_, host_name(), peer_));
      is_told_ = true;
    }
  }

  int rank_, peer_ = -1;
  bool is_told_ = false;
  std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::jthread thread_;
};

int probe_versions() {
  const nlohmann::json facts = {{"holdfast", HOLDFAST_VERSION},
                                {"libtorch", libtorch_version()},
                                {"mpi", mpi_library_version()},
                                {"instruction_set", at::get_cpu_capability()},
                                {"build", build_digest()}};
  fmt::print("{}\n", facts.dump());
  return kExitOk;
}

int probe_pairs(double seconds) {
  print_line(fmt::format("rank {} on {}", environment::launcher_rank(), host_name()));
  PairProbe probe;
  WaitNotice notice(probe.rank());
  probe.measure(
      seconds, [&notice](int peer) { notice.about_to(peer); },
      [&probe](const MeasuredPair& pair) {
        print_line(fmt::format("pair {} {} {:.9f} {:.0f}", probe.rank(), pair.peer, pair.latency_seconds, pair.bytes_per_second));
      });
  if (probe.rank() == 0) print_line("complete");
  probe.close();
  return kExitOk;
}

}  // namespace

int run_probe(const std::string& what) {
  constexpr std::string_view kPairs = "pairs:";
  if (what == "versions") return probe_versions();
  if (what.starts_with(kPairs)) {
    const double seconds = std::atof(what.c_str() + kPairs.size());
    if (seconds > 0) return probe_pairs(seconds);
  }
  throw UsageError(fmt::format("--probe {}: expected versions or pairs:SECONDS\n  next: holdfast-train --help", what));
}

}  // namespace holdfast
