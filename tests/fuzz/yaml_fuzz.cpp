// A configuration of any bytes is refused with a ConfigError that says where, or it is read; then what `holdfast config show` prints of it
// reads back to the same.
#include <sys/mman.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "options/dump.h"
#include "options/run_options.h"
#include "oracle.h"

namespace holdfast {
namespace {

/// A file in memory with a path.
class MemoryText {
 public:
  explicit MemoryText(const std::string& text) : fd_(::memfd_create("configuration", MFD_CLOEXEC)) {
    must(fd_ >= 0 && ::write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size()), "a file in memory");
  }
  ~MemoryText() { ::close(fd_); }
  MemoryText(const MemoryText&) = delete;
  MemoryText& operator=(const MemoryText&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

nlohmann::ordered_json shown(Configuration configuration) {
  return describe_to_ordered_json([&](FieldVisitor& visitor) { configuration.describe(visitor); });
}

void check(const Configuration& configuration) {
  const nlohmann::ordered_json before = shown(configuration);
  const std::string yaml = to_yaml(before);
  const MemoryText file(yaml);
  try {
    must(shown(load_configuration(file.path())) == before, "what is shown reads back to something else:\n" + yaml);
  } catch (const ConfigError& error) {
    must(false, "what is shown is refused: " + std::string(error.what()) + "\n" + yaml);
  }
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdfast;
  const MemoryText file(std::string(reinterpret_cast<const char*>(data), size));
  try {
    check(load_configuration(file.path()));
  } catch (const ConfigError& error) {
    must(*error.what() != 0, "an error without a text");
  }
  return 0;
}
