#include "apps/commands/report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/command_line/parse.h"
#include "apps/commands/run_target.h"
#include "base/error.h"
#include "base/file_system.h"
#include "report/history.h"
#include "report/json.h"
#include "report/page.h"
#include "report/text.h"

namespace holdfast {
namespace {

namespace po = boost::program_options;

constexpr const char* kUsage =
    "usage: holdfast report RUN [options]\n"
    "Where the wall time of a run went, cause by cause; its failures with their causes; its checkpoints; its slowest ranks. RUN is a run\n"
    "directory; the run may be going on.\n\n"
    "  holdfast report runs/a\n"
    "  holdfast report runs/a --html report.html\n\noptions";

}  // namespace

int report_command(const std::vector<std::string>& words) {
  std::string run, html;
  po::options_description shown(kUsage), all;
  shown.add_options()("html", po::value(&html), "FILE: write one page of HTML with pictures, which needs no network, instead of text")(
      "json", "print the same for programs")("help,h", "print this and end");
  all.add(shown).add_options()("run", po::value(&run));
  const auto positions = po::positional_options_description().add("run", 1);
  const po::variables_map values = parse_words({"holdfast report", "holdfast report --help", all, positions}, words);
  if (values.count("help")) {
    print_help(shown);
    return kExitOk;
  }
  if (run.empty()) throw UsageError("holdfast report: a run directory is needed\n  next: holdfast report --help");
  const auto files = make_posix_file_system();
  const RunHistory history = read_history(*files, RunLayout{run_directory(run)});
  if (values.count("html")) {
    write_text_durably(*files, std::filesystem::absolute(html), report_page(history));
    fmt::print("{}\n", html);
  }
  if (values.count("json"))
    fmt::print("{}\n", report_json(history).dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  else if (!values.count("html"))
    fmt::print("{}", report_text(history));
  return kExitOk;
}

}  // namespace holdfast
