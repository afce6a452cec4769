#include "bench/scale/simulated_ranks.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <utility>

#include "base/clock.h"
#include "base/error.h"

namespace holdfast {
namespace {

constexpr std::size_t kStackBytes = 256 << 10;
constexpr std::size_t kGuardBytes = 4096;  // at the low end of a stack; nobody may have written there

class Stack {
 public:
  Stack() : memory_(::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
  }
  ~Stack() { ::munmap(memory_, kStackBytes); }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  void* memory() const { return memory_; }
  /// A page that nobody has touched is none.
  bool is_overrun() const {
    unsigned char is_resident = 0;
    return ::mincore(memory_, kGuardBytes, &is_resident) == 0 && (is_resident & 1) != 0;
  }

 private:
  void* memory_;
};

}  // namespace

/// What the ranks bring to one collective.
struct SimulatedRanks::Meeting {
  std::string kind;
  int root = 0;
  int arrived = 0;
  bool is_left_behind = false;  // the ranks are on their way to the next one
  std::vector<Vote> votes;
  std::string broadcast;
  std::vector<std::string> texts;
  std::vector<std::uint64_t> lengths;
};

class SimulatedRanks::Rank final : public Communicator {
 public:
  Rank(SimulatedRanks& all, int rank) : all_(all), rank_(rank) {}

  void begin(const std::function<void(Communicator&)>& body) {
    body_ = &body;
    has_ended_ = false;
    failure_ = nullptr;
    stack_ = std::make_unique<Stack>();
    ::getcontext(&own_);
    own_.uc_stack = {.ss_sp = stack_->memory(), .ss_flags = 0, .ss_size = kStackBytes};
    own_.uc_link = &scheduler_;
    const auto address = reinterpret_cast<std::uintptr_t>(this);
    ::makecontext(&own_, reinterpret_cast<void (*)()>(&Rank::enter), 2, static_cast<unsigned>(address >> 32),
                  static_cast<unsigned>(address & 0xffffffff));
  }
  /// Until its next collective, or its end.
  void go_on() {
    const double since = clock_.seconds();
    ::swapcontext(&scheduler_, &own_);
    seconds_ += clock_.seconds() - since;
    if (has_ended_ && stack_ && std::exchange(stack_, nullptr)->is_overrun())
      throw std::logic_error("a simulated rank needs a larger stack");
  }
  bool has_ended() const { return has_ended_; }
  std::exception_ptr failure() const { return failure_; }
  double seconds() const { return seconds_; }

  int rank() const override { return rank_; }
  int size() const override { return all_.size_; }
  int local_rank() const override { return rank_; }
  int local_size() const override { return all_.size_; }
  Ticket start_all_reduce(std::span<std::byte>, ReduceType, ReduceOp) override {
    throw std::logic_error("simulated ranks have no gradients");
  }
  void finish(Ticket) override { throw std::logic_error("nothing was started"); }

  Vote vote(const Vote& mine) override {
    const Meeting& meeting = meet("vote", 0, [&](Meeting& here) { here.votes.push_back(mine); });
    Vote combined;
    for (int rank = 0; rank < all_.size_; ++rank)
      combine(combined, meeting.votes[std::min(static_cast<std::size_t>(rank), meeting.votes.size() - 1)]);
    return combined;
  }
  void broadcast(std::span<std::byte> buffer, int root) override {
    if (root >= static_cast<int>(all_.ranks_.size())) throw std::logic_error("a rank that is left out would have to broadcast");
    const Meeting& meeting = meet("broadcast", root, [&](Meeting& here) {
      here.lengths.push_back(buffer.size());
      if (rank_ == root) here.broadcast.assign(reinterpret_cast<const char*>(buffer.data()), buffer.size());
    });
    if (meeting.broadcast.size() != buffer.size()) throw std::logic_error("ranks broadcast buffers of different sizes");
    if (rank_ != root) std::memcpy(buffer.data(), meeting.broadcast.data(), buffer.size());
  }
  std::vector<std::string> gather(const std::string& mine, int root) override {
    if (root != 0) throw std::logic_error("the model of a gather is one to rank 0");
    const Meeting& meeting = meet("gather", root, [&](Meeting& here) {
      here.lengths.push_back(mine.size());
      here.texts.push_back(mine);
    });
    if (rank_ != root) return {};
    std::vector<std::string> texts = meeting.texts;
    texts.resize(static_cast<std::size_t>(all_.size_), meeting.texts.back());
    return texts;
  }
  void barrier() override {
    meet("barrier", 0, [](Meeting&) {});
  }

 private:
  static void enter(unsigned high, unsigned low) {
    auto* self = reinterpret_cast<Rank*>(static_cast<std::uintptr_t>(high) << 32 | low);
    try {
      (*self->body_)(*self);
    } catch (...) {
      self->failure_ = std::current_exception();
    }
    self->has_ended_ = true;
  }

  /// Gives what this rank brings, and returns when all are there.
  template <class Bring>
  const Meeting& meet(const char* kind, int root, const Bring& bring) {
    std::unique_ptr<Meeting>& here = all_.meetings_[collectives_++ % 2];
    if (!here) here = std::make_unique<Meeting>(Meeting{.kind = kind, .root = root});
    if (here->kind != kind || here->root != root)
      throw std::logic_error("rank " + std::to_string(rank_) + " comes to a " + kind + ", others to a " + here->kind);
    bring(*here);
    if (++here->arrived == static_cast<int>(all_.ranks_.size())) count(*here);
    ::swapcontext(&own_, &scheduler_);
    if (all_.is_over_) throw PeerLost("a simulated rank has failed");
    return *here;
  }

  void count(Meeting& meeting) {
    Traffic& traffic = all_.traffic_[meeting.kind];
    if (meeting.kind == "vote") traffic += allgather_traffic(all_.size_, sizeof(Vote));
    if (meeting.kind == "broadcast") traffic += broadcast_traffic(all_.size_, meeting.broadcast.size(), meeting.root);
    if (meeting.kind == "barrier") traffic += barrier_traffic(all_.size_);
    if (meeting.kind != "gather") return;
    meeting.lengths.resize(static_cast<std::size_t>(all_.size_), meeting.lengths.back());
    traffic += gather_traffic(meeting.lengths);
  }

  SimulatedRanks& all_;
  int rank_;
  const std::function<void(Communicator&)>* body_ = nullptr;
  SystemClock clock_;
  std::unique_ptr<Stack> stack_;
  ucontext_t own_{}, scheduler_{};
  bool has_ended_ = false;
  std::exception_ptr failure_;
  double seconds_ = 0;
  std::uint64_t collectives_ = 0;
};

SimulatedRanks::SimulatedRanks(int size, int real) : size_(size) {
  for (int rank = 0; rank < std::min(size, real); ++rank) ranks_.push_back(std::make_unique<Rank>(*this, rank));
}

SimulatedRanks::~SimulatedRanks() = default;

void SimulatedRanks::resume(Rank& rank) {
  if (hook_) hook_(rank.rank(), true);
  rank.go_on();
  if (hook_) hook_(rank.rank(), false);
}

void SimulatedRanks::run(const std::function<void(Communicator& self)>& body) {
  for (const auto& rank : ranks_) rank->begin(body);
  std::exception_ptr failure;
  for (std::size_t ended = 0; ended < ranks_.size();) {
    ended = 0;
    for (const auto& rank : ranks_) {
      if (!rank->has_ended()) resume(*rank);
      if (rank->has_ended()) ++ended;
      if (rank->failure() && !failure) failure = rank->failure();
      is_over_ = is_over_ || failure != nullptr;
    }
    // Of the last two collectives one is full now, and everybody has what he wanted of the one before.
    for (const int one : {0, 1})
      if (meetings_[one] && meetings_[one]->is_left_behind) meetings_[one].reset();
    for (const auto& meeting : meetings_)
      if (meeting) meeting->is_left_behind = true;
    // Who is left would wait for those for ever.
    if (ended > 0 && ended < ranks_.size() && !std::exchange(is_over_, true))
      failure = std::make_exception_ptr(std::logic_error("some ranks have ended and others wait in a collective"));
  }
  if (failure) std::rethrow_exception(failure);
}

Traffic SimulatedRanks::total() const {
  Traffic total;
  for (const auto& [kind, traffic] : traffic_) total += traffic;
  return total;
}

double SimulatedRanks::seconds_of(int rank) const { return ranks_.at(static_cast<std::size_t>(rank))->seconds(); }

}  // namespace holdfast
