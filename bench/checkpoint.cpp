// holdfast-bench-checkpoint DIRECTORY --mib M [--tensor-kib K] [--repeat N] [--ways save,steps,load,verify]
// Times the checkpoint engine on a made-up training state, with the raw disk beside it, on the ranks of mpirun. One JSON line
// for each way, every repetition in it: {way, bytes, seconds: [...], raw_seconds: [...]}: raw is the same bytes between the disk
// and as much memory without any engine, just before each repetition, for reading from the very same files. The state is that of
// bench/peers/save.py: a transformer's float32 parameters with two moments each, or (--tensor-kib) many tensors of one size, replicated on
// every rank.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <cstring>
#include <deque>
#include <iostream>

#include "base/error.h"
#include "base/huge_buffer.h"
#include "base/log.h"
#include "checkpoint/engine/checkpointer.h"
#include "checkpoint/format/verify.h"

namespace holdfast {
namespace {

using nlohmann::json;

constexpr std::size_t kRawBytes = std::size_t{8} << 20;  // of one raw read or write, as on the peer's side
constexpr std::int64_t kWidth = 768;
constexpr int kSteps = 30;                     // of a series around one save
constexpr std::size_t kStepFloats = 16 << 10;  // that a step computes on, again and again, close to its core
constexpr int kPasses = 4000;

struct Arguments {
  std::string directory;
  std::int64_t mib = 1024;
  std::int64_t tensor_kib = 0;
  int repeat = 3;
  std::string ways = "save,steps,load,verify";
};

/// Live state in memory of its own, as a training has it.
class State {
 public:
  explicit State(const Arguments& arguments) {
    const std::int64_t total = arguments.mib << 20;
    if (arguments.tensor_kib > 0) {
      for (std::int64_t i = 0; i < arguments.mib * 1024 / arguments.tensor_kib; ++i)
        add(fmt::format("model/{}", i), {arguments.tensor_kib * 256});
    } else {
      const std::int64_t block = 3 * 4 * (12 * kWidth * kWidth + 2 * kWidth);
      for (std::int64_t i = 0; i < std::max<std::int64_t>(1, (total + block / 2) / block); ++i) add_block(i);
    }
    for (Tensor& tensor : tensors_)
      for (std::size_t at = 0; at < tensor.bytes().size(); at += sizeof(std::uint32_t)) next_word(tensor.bytes().data() + at);
  }
  std::vector<StateEntry> entries() {
    std::vector<StateEntry> entries;
    for (Tensor& tensor : tensors_) {
      const std::span<std::byte> bytes = tensor.bytes();
      entries.push_back(
          {.info = tensor.info,
           .slice = {0, tensor.info.elements()},
           .changes_only_in_update = true,
           .copy_to = [bytes](std::uint64_t offset, std::span<std::byte> to) { std::memcpy(to.data(), &bytes[offset], to.size()); },
           .copy_from = [bytes](std::uint64_t offset,
                                std::span<const std::byte> from) { std::memcpy(&bytes[offset], from.data(), from.size()); }});
    }
    return entries;
  }
  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const Tensor& tensor : tensors_) sum += tensor.info.bytes();
    return sum;
  }
  /// Something of every tensor, as an update does.
  void update() {
    for (Tensor& tensor : tensors_) tensor.bytes()[0] ^= std::byte{1};
  }

 private:
  struct Tensor {
    TensorInfo info;
    std::vector<std::byte> memory;
    std::span<std::byte> bytes() { return memory; }
  };
  void add(std::string name, std::vector<std::int64_t> shape) {
    tensors_.push_back({TensorInfo{std::move(name), DType::f32, std::move(shape)}, {}});
    tensors_.back().memory.resize(tensors_.back().info.bytes());
  }
  void add_block(std::int64_t i) {
    const std::pair<const char*, std::vector<std::int64_t>> shapes[] = {
        {"qkv", {3 * kWidth, kWidth}},  {"proj", {kWidth, kWidth}}, {"up", {4 * kWidth, kWidth}},
        {"down", {kWidth, 4 * kWidth}}, {"ln1", {kWidth}},          {"ln2", {kWidth}}};
    for (const auto& [name, shape] : shapes)
      for (const char* kind : {"model/{}.{}", "optimizers/main/{}.{}/exp_avg", "optimizers/main/{}.{}/exp_avg_sq"})
        add(fmt::format(fmt::runtime(kind), i, name), shape);
  }
  void next_word(std::byte* to) {
    seed_ = seed_ * 6364136223846793005u + 1442695040888963407u;
    const auto word = static_cast<std::uint32_t>(seed_ >> 32);
    std::memcpy(to, &word, sizeof word);
  }

  std::uint64_t seed_ = 1;
  std::deque<Tensor> tensors_;
};

class Bench {
 public:
  Bench(Arguments arguments, Communicator& ranks, SectionTracker& sections)
      : arguments_(std::move(arguments)), ranks_(ranks), sections_(sections), state_(arguments_) {}

  void run() {
    for (const auto& [name, way] : ways())
      if (("," + arguments_.ways + ",").find("," + name + ",") != std::string::npos) report(name, (this->*way)());
    if (ranks_.rank() == 0) remove_tree(*files_, root());
  }

 private:
  using Way = std::vector<double> (Bench::*)();
  static std::vector<std::pair<std::string, Way>> ways() {
    return {{"save", &Bench::save}, {"steps", &Bench::steps}, {"load", &Bench::load}, {"verify", &Bench::verify}};
  }
  Path root() const { return Path(arguments_.directory) / "ours"; }

  void report(const std::string& way, const std::vector<double>& seconds) {
    if (ranks_.rank() != 0) return;
    json line = {{"way", way}, {"world", ranks_.size()}, {"bytes", state_.bytes()}, {"seconds", seconds}};
    line.update(facts_);
    std::cout << line.dump() << std::endl;
    facts_ = json::object();
  }
  /// Nothing of the run before is in memory or on its way to the disk.
  void drop_cache() {
    ranks_.barrier();
    if (ranks_.rank() == 0) {
      ::sync();
      if (std::FILE* file = std::fopen("/proc/sys/vm/drop_caches", "w")) {
        std::fputs("3", file);
        std::fclose(file);
      }
    }
    ranks_.barrier();
  }
  template <class Work>
  double timed(const Work& work) {
    ranks_.barrier();
    const double start = clock_.seconds();
    work();
    ranks_.barrier();
    return clock_.seconds() - start;
  }
  Path raw_path() const { return root() / fmt::format("raw-{}", ranks_.rank()); }
  std::uint64_t share() const { return state_.bytes() / static_cast<std::uint64_t>(ranks_.size()) / 4096 * 4096; }

  /// This rank's share of the state: the same bytes as a save, and as much memory.
  void fill_raw_bytes() {
    raw_bytes_ = HugeBuffer(share());
    std::uint64_t at = 0;
    for (const StateEntry& entry : state_.entries()) {
      const std::uint64_t bytes = std::min(entry.info.bytes(), share() - at);
      entry.copy_to(0, raw_bytes_.bytes().subspan(at, bytes));
      at += bytes;
    }
  }
  void write_raw() {
    const auto file = files_->create_direct(raw_path());
    for (std::uint64_t at = 0; at < share(); at += kRawBytes)
      file->write_at(at, raw_bytes_.bytes().subspan(at, std::min<std::uint64_t>(kRawBytes, share() - at)));
    file->sync();
    file->close();
  }
  void begin_directory() {
    ranks_.barrier();
    if (ranks_.rank() == 0) {
      remove_tree(*files_, root());
      make_directories(*files_, RunLayout{root()}.checkpoints());
    }
    drop_cache();
  }
  static Boundary after_step(std::int64_t step) {
    return {.position = {.epoch = 0, .batch = step, .step = step}, .step = {step - 1, step, 0, 0, false}};
  }
  Snapshot snapshot(std::int64_t step) {
    return {.global_step = step,
            .entries = state_.entries(),
            .state = json::object(),
            .options = json::object(),
            .environment = json::object()};
  }
  std::unique_ptr<Checkpointer> make_checkpointer() {
    return std::make_unique<Checkpointer>(Checkpointer::Dependencies{ranks_, *files_, clock_, sections_}, RunLayout{root()},
                                          std::vector<CheckpointOptions>{{.name = "bench", .every_steps = 1, .limit = 1}}, 1);
  }

  /// From the call to the durable commit.
  std::vector<double> save() {
    fill_raw_bytes();
    begin_directory();
    const auto checkpointer = make_checkpointer();
    checkpointer->save(snapshot(1), after_step(1));  // makes the buffers and the layout
    std::vector<double> seconds, raw;
    for (int i = 0; i < arguments_.repeat; ++i) {
      files_->remove_file(raw_path());
      drop_cache();
      raw.push_back(timed([&] { write_raw(); }));
      files_->remove_file(raw_path());
      drop_cache();
      Snapshot next = snapshot(i + 2);
      seconds.push_back(timed([&] {
        checkpointer->begin_save(std::move(next), after_step(i + 2));
        require_durable(checkpointer->finish_save());
      }));
      checkpointer->settle();
    }
    facts_ = {{"raw_seconds", raw}};
    return seconds;
  }

  void require_durable(const std::optional<SaveResult>& result) {
    if (!result) return;
    if (!result->failure.empty()) throw StorageError(result->failure);
    durable_after_ = result->seconds;
  }

  /// One step of a training that computes on one core and updates what it has.
  void step(Checkpointer& checkpointer) {
    float sum = 0;
    for (int pass = 0; pass < kPasses; ++pass)
      for (const float value : work_) sum += value * value;
    sink_ = sum;
    Vote mine;
    checkpointer.add_facts_to(mine);
    const Vote facts = ranks_.vote(mine);
    hold([&] { checkpointer.finish_staging(); });
    state_.update();
    hold([&] { require_durable(checkpointer.advance(facts)); });
  }
  /// Counts the time in which the training waits for the checkpoint engine.
  void hold(const std::function<void()>& call) {
    const double start = clock_.seconds();
    call();
    held_ += clock_.seconds() - start;
  }
  /// What one asynchronous save costs: the extra time of the steps around it over undisturbed ones.
  std::vector<double> steps() {
    begin_directory();
    const auto checkpointer = make_checkpointer();
    checkpointer->save(snapshot(1), after_step(1));
    std::vector<double> extra, undisturbed, durable, held;
    const auto series = [&](std::int64_t save_at) {
      return timed([&] {
        for (int i = 0; i < kSteps || checkpointer->is_saving(); ++i) {
          step(*checkpointer);
          if (i == 1 && save_at > 0) hold([&] { checkpointer->begin_save(snapshot(save_at), after_step(save_at)); });
          steps_done_ = i + 1;
        }
      });
    };
    for (int i = 0; i < arguments_.repeat; ++i) {
      const double before = series(0) / steps_done_;
      drop_cache();
      held_ = 0;
      const double with = series(i + 2);
      held.push_back(held_);
      const int steps = steps_done_;
      const double after = series(0) / steps_done_;
      undisturbed.push_back((before + after) / 2);
      extra.push_back(with - steps * undisturbed.back());
      durable.push_back(durable_after_);
    }
    facts_ = {{"step_seconds", undisturbed}, {"durable_after", durable}, {"held_seconds", held}};
    return extra;
  }

  Path checkpoint() const { return RunLayout{root()}.checkpoints() / directory_name({1, 0}); }
  /// Each rank the shard that it has written.
  double read_raw() {
    const auto file = files_->open_direct(checkpoint() / shard_name(ranks_.rank(), ranks_.size()));
    if (raw_bytes_.bytes().size() < file->size()) raw_bytes_ = HugeBuffer(file->size());
    drop_cache();
    return timed([&] {
      for (std::uint64_t at = 0; at < file->size(); at += kRawBytes)
        file->read_at(at, raw_bytes_.bytes().subspan(at, std::min<std::uint64_t>(kRawBytes, file->size() - at)));
    });
  }
  std::vector<double> load() {
    begin_directory();
    make_checkpointer()->save(snapshot(1), after_step(1));
    std::vector<double> seconds, raw;
    for (int i = 0; i < arguments_.repeat; ++i) {
      raw.push_back(read_raw());
      drop_cache();
      const auto checkpointer = make_checkpointer();
      const std::vector<StateEntry> targets = state_.entries();
      seconds.push_back(timed([&] { checkpointer->restore("auto", targets); }));
    }
    facts_ = {{"raw_seconds", raw}};
    return seconds;
  }

  /// A barrier in which the others use no core while rank 0 works: MPI's polls.
  void wait_asleep(const std::string& name) {
    const Path done = root() / name;
    if (ranks_.rank() == 0) files_->make_directory(done);
    while (files_->kind(done) == FileKind::none) ::usleep(5000);
    ranks_.barrier();
  }

  /// On rank 0 alone: verify is one process.
  std::vector<double> verify() {
    begin_directory();
    make_checkpointer()->save(snapshot(1), after_step(1));
    std::vector<double> seconds, raw;
    for (int i = 0; i < arguments_.repeat; ++i) {
      raw.push_back(read_raw());
      drop_cache();
      if (ranks_.rank() == 0) {
        const double start = clock_.seconds();
        const auto findings = verify_checkpoint(*files_, checkpoint());
        seconds.push_back(clock_.seconds() - start);
        if (!findings.empty()) throw StorageError(findings[0].text);
      }
      wait_asleep(fmt::format("verified-{}", i));
    }
    facts_ = {{"raw_seconds", raw}};
    return seconds;
  }

  Arguments arguments_;
  Communicator& ranks_;
  SectionTracker& sections_;
  State state_;
  SystemClock clock_;
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
  HugeBuffer raw_bytes_;
  double held_ = 0;  // seconds
  std::vector<float> work_ = std::vector<float>(kStepFloats, 1.5f);
  volatile float sink_ = 0;
  int steps_done_ = 0;
  double durable_after_ = 0;
  json facts_ = json::object();
};

Arguments parse(int argc, char** argv) {
  namespace po = boost::program_options;
  Arguments arguments;
  po::options_description options;
  options.add_options()("directory", po::value(&arguments.directory)->required())("mib", po::value(&arguments.mib))(
      "tensor-kib", po::value(&arguments.tensor_kib))("repeat", po::value(&arguments.repeat))("ways", po::value(&arguments.ways));
  po::variables_map values;
  po::store(po::command_line_parser(argc, argv).options(options).positional(po::positional_options_description().add("directory", 1)).run(),
            values);
  po::notify(values);
  return arguments;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  using namespace holdfast;
  try {
    const Arguments arguments = parse(argc, argv);
    SectionTracker sections(nullptr);
    const auto ranks = make_mpi_communicator(sections);
    set_up_log(fmt::format("rank {}", ranks->rank()));
    Bench(arguments, *ranks, sections).run();
    ranks->close();
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 70;
  }
}
