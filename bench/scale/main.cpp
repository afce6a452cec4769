// holdfast-bench-scale DIRECTORY --ranks N [--repeat R] [--parts votes,saves,manifests,attempts,watching,leases,example]
// The real code of votes, checkpoints and the supervisor with N simulated ranks in one process. One JSON line for each figure: {way, ranks,
// seconds: [...], and facts that do not depend on time}. DIRECTORY is to be on a disk; what is made there is removed again. docs/scaling.md
// says what each is and what it means.
#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <iostream>

#include "base/error.h"
#include "base/log.h"
#include "bench/scale/attempts.h"
#include "bench/scale/lease_load.h"
#include "bench/scale/manifests.h"
#include "bench/scale/saves.h"
#include "bench/scale/votes.h"
#include "bench/scale/watching.h"
#include "bench/scale/worked_example.h"

namespace holdfast {
namespace {

using Measure = std::vector<Figure> (*)(const ScaleTask&);
constexpr std::pair<const char*, Measure> kParts[] = {
    {"votes", measure_votes},       {"saves", measure_saves},   {"manifests", measure_manifests},   {"attempts", measure_attempts},
    {"watching", measure_watching}, {"leases", measure_leases}, {"example", measure_worked_example}};

void print(const Figure& figure) {
  nlohmann::json line = {{"way", figure.way}, {"ranks", figure.ranks}, {"seconds", figure.seconds}};
  line.update(figure.facts);
  std::cout << line.dump() << std::endl;
}

void run(const ScaleTask& task, const std::string& parts) {
  for (const auto& [name, measure] : kParts) {
    if (("," + parts + ",").find(fmt::format(",{},", name)) == std::string::npos) continue;
    for (const Figure& figure : measure(task)) print(figure);
  }
}

int main_of(int argc, char** argv) {
  namespace po = boost::program_options;
  ScaleTask task;
  std::string parts = "votes,saves,manifests,attempts,watching,leases,example";
  po::options_description options;
  options.add_options()("directory", po::value(&task.directory)->required())("ranks", po::value(&task.ranks)->required())(
      "repeat", po::value(&task.repeat)->default_value(task.repeat))("parts", po::value(&parts)->default_value(parts));
  po::positional_options_description positions;
  positions.add("directory", 1);
  po::variables_map given;
  po::store(po::command_line_parser(argc, argv).options(options).positional(positions).run(), given);
  po::notify(given);
  if (task.ranks < 2 || task.repeat < 1) throw UsageError("--ranks: expected 2 at least; --repeat: 1 at least");
  set_up_log("scale");
  run(task, parts);
  return kExitOk;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  try {
    return holdfast::main_of(argc, argv);
  } catch (const boost::program_options::error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return holdfast::kExitUsage;
  } catch (const holdfast::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return error.exit_code();
  }
}
