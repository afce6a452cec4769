#include "base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>

namespace holdfast {
namespace {

std::atomic<std::int64_t> log_step{-1};

/// Prints "rank 1 step 137" for %*.
class WhoFlag : public spdlog::custom_flag_formatter {
 public:
  explicit WhoFlag(std::string who) : who_(std::move(who)) {}
  void format(const spdlog::details::log_msg&, const std::tm&, spdlog::memory_buf_t& out) override {
    const std::int64_t step = log_step.load(std::memory_order_relaxed);
    const std::string text = step < 0 ? who_ : fmt::format("{} step {}", who_, step);
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<WhoFlag>(who_); }

 private:
  std::string who_;
};

}  // namespace

void set_up_log(std::string who, LogLevel lowest) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<WhoFlag>('*', std::move(who)).set_pattern("%H:%M:%S.%e [%*] %l: %v");
  auto logger = std::make_shared<spdlog::logger>("holdfast", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(std::move(formatter));
  logger->set_level(lowest == LogLevel::debug     ? spdlog::level::debug
                    : lowest == LogLevel::info    ? spdlog::level::info
                    : lowest == LogLevel::warning ? spdlog::level::warn
                                                  : spdlog::level::err);
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

void set_log_step(std::int64_t step) { log_step.store(step, std::memory_order_relaxed); }

void log_line(LogLevel level, std::string_view text) {
  switch (level) {
    case LogLevel::debug: spdlog::debug("{}", text); break;
    case LogLevel::info: spdlog::info("{}", text); break;
    case LogLevel::warning: spdlog::warn("{}", text); break;
    case LogLevel::error: spdlog::error("{}", text); break;
  }
}

}  // namespace holdfast
