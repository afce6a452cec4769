#include "trainer/metrics/event_file.h"

#include <boost/crc.hpp>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include <cstring>
#include <functional>

namespace holdfast {
namespace {

// Field numbers, by message.
namespace event {
constexpr protozero::pbf_tag_type kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
}
namespace session_log {
constexpr protozero::pbf_tag_type kStatus = 1;
constexpr int kStart = 1;
}  // namespace session_log
namespace summary {
constexpr protozero::pbf_tag_type kValue = 1;
}
namespace value {
constexpr protozero::pbf_tag_type kTag = 1, kSimpleValue = 2, kHistogram = 5, kTensor = 8, kMetadata = 9;
}
namespace metadata {
constexpr protozero::pbf_tag_type kPluginData = 1, kPluginName = 1;
}
namespace tensor {
constexpr protozero::pbf_tag_type kType = 1, kShape = 2, kStrings = 8, kDimension = 2, kSize = 1;
constexpr int kString = 7;
}  // namespace tensor
namespace histogram_proto {
constexpr protozero::pbf_tag_type kMin = 1, kMax = 2, kCount = 3, kSum = 4, kSumOfSquares = 5, kLimits = 6, kCounts = 7;
}

std::uint32_t masked_crc(std::string_view bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;  // CRC-32C (Castagnoli)
  crc.process_bytes(bytes.data(), bytes.size());
  const std::uint32_t sum = crc.checksum();
  return ((sum >> 15) | (sum << 17)) + 0xa282ead8u;
}

/// Little-endian, as the hosts are.
template <class Number>
std::string bytes_of(Number number) {
  std::string bytes(sizeof number, '\0');
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}

template <class Number>
Number number_at(std::string_view bytes, std::size_t offset) {
  Number number;
  std::memcpy(&number, bytes.data() + offset, sizeof number);
  return number;
}

constexpr std::size_t kHeadBytes = sizeof(std::uint64_t) + sizeof(std::uint32_t), kTailBytes = sizeof(std::uint32_t);

std::string event_at(const EventTime& time, protozero::pbf_tag_type field, const std::string& content) {
  std::string bytes;
  protozero::pbf_writer writer(bytes);
  writer.add_double(event::kWallTime, time.unix_seconds);
  writer.add_int64(event::kStep, time.step);
  writer.add_message(field, content);
  return bytes;
}

std::string summary_of(const std::string& tag, const std::function<void(protozero::pbf_writer&)>& add_content) {
  std::string one, all;
  protozero::pbf_writer writer(one);
  writer.add_string(value::kTag, tag);
  add_content(writer);
  protozero::pbf_writer(all).add_message(summary::kValue, one);
  return all;
}

struct StoredEvent {
  std::int64_t step = 0;
  bool has_value = false;
  std::string tag;
};

std::string tag_of(protozero::pbf_reader summary) {
  std::string tag;
  while (summary.next(summary::kValue)) {
    protozero::pbf_reader value = summary.get_message();
    while (value.next(value::kTag)) tag = value.get_string();
  }
  return tag;
}

StoredEvent read_event(std::string_view content) {
  StoredEvent stored;
  for (protozero::pbf_reader reader(content.data(), content.size()); reader.next();) {
    if (reader.tag() == event::kStep) {
      stored.step = reader.get_int64();
    } else if (reader.tag() == event::kSummary) {
      stored.has_value = true;
      stored.tag = tag_of(reader.get_message());
    } else {
      reader.skip();
    }
  }
  return stored;
}

}  // namespace

EventFile::EventFile(const Path& path, double unix_seconds) : file_(path) {
  std::string version;
  protozero::pbf_writer writer(version);
  writer.add_double(event::kWallTime, unix_seconds);
  writer.add_string(event::kFileVersion, "brain.Event:2");
  append(version);
}

void EventFile::append(const std::string& content) {
  const std::string length = bytes_of<std::uint64_t>(content.size());
  file_.append(length + bytes_of(masked_crc(length)) + content + bytes_of(masked_crc(content)));
}

void EventFile::write_start(const EventTime& time) {
  std::string log;
  protozero::pbf_writer(log).add_enum(session_log::kStatus, session_log::kStart);
  append(event_at(time, event::kSessionLog, log));
}

void EventFile::write_scalar(const EventTime& time, const std::string& tag, double number) {
  const auto content = [&](protozero::pbf_writer& writer) { writer.add_float(value::kSimpleValue, static_cast<float>(number)); };
  append(event_at(time, event::kSummary, summary_of(tag, content)));
}

void EventFile::write_text(const EventTime& time, const std::string& tag, const std::string& text) {
  const auto content = [&](protozero::pbf_writer& writer) {
    protozero::pbf_writer strings(writer, value::kTensor);
    strings.add_enum(tensor::kType, tensor::kString);
    {
      protozero::pbf_writer shape(strings, tensor::kShape);
      protozero::pbf_writer(shape, tensor::kDimension).add_int64(tensor::kSize, 1);
    }
    strings.add_string(tensor::kStrings, text);
    strings.commit();
    protozero::pbf_writer description(writer, value::kMetadata);
    protozero::pbf_writer(description, metadata::kPluginData).add_string(metadata::kPluginName, "text");
  };
  append(event_at(time, event::kSummary, summary_of(tag, content)));
}

void EventFile::write_histogram(const EventTime& time, const std::string& tag, const Histogram& histogram) {
  const auto content = [&](protozero::pbf_writer& writer) {
    protozero::pbf_writer numbers(writer, value::kHistogram);
    numbers.add_double(histogram_proto::kMin, histogram.min);
    numbers.add_double(histogram_proto::kMax, histogram.max);
    numbers.add_double(histogram_proto::kCount, static_cast<double>(histogram.count));
    numbers.add_double(histogram_proto::kSum, histogram.sum);
    numbers.add_double(histogram_proto::kSumOfSquares, histogram.sum_of_squares);
    numbers.add_packed_double(histogram_proto::kLimits, histogram.limits.begin(), histogram.limits.end());
    numbers.add_packed_double(histogram_proto::kCounts, histogram.counts.begin(), histogram.counts.end());
  };
  append(event_at(time, event::kSummary, summary_of(tag, content)));
}

EventPrefix kept_events(std::string_view file, MetricsCut& cut) {
  EventPrefix prefix;
  while (file.size() - prefix.bytes >= kHeadBytes + kTailBytes) {
    const std::string_view rest = file.substr(prefix.bytes);
    const auto length = number_at<std::uint64_t>(rest, 0);
    if (number_at<std::uint32_t>(rest, sizeof length) != masked_crc(rest.substr(0, sizeof length))) break;
    if (rest.size() - kHeadBytes - kTailBytes < length) break;  // torn
    const std::string_view content = rest.substr(kHeadBytes, length);
    if (number_at<std::uint32_t>(rest, kHeadBytes + length) != masked_crc(content)) break;
    const StoredEvent stored = read_event(content);
    if (stored.has_value && !cut.keeps(stored.step, std::string_view(stored.tag).substr(0, stored.tag.find('/')), stored.tag)) break;
    prefix.bytes += kHeadBytes + length + kTailBytes;
    prefix.events += stored.has_value;
  }
  return prefix;
}

}  // namespace holdfast
