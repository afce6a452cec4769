#include "apps/commands/doctor.h"

#include <fmt/format.h>

#include <optional>

#include <nlohmann/json.hpp>

#include "apps/command_line/parse.h"
#include "apps/commands/allocation.h"
#include "apps/commands/plan.h"
#include "apps/commands/run_target.h"
#include "base/error.h"
#include "base/host.h"
#include "launch/doctor/agent.h"
#include "launch/doctor/examination.h"
#include "launch/doctor/judge.h"
#include "launch/doctor/table.h"

namespace holdfast {
namespace {

namespace po = boost::program_options;
using nlohmann::json;

constexpr const char* kUsage =
    "usage: holdfast doctor [CONFIG] [-n RANKS] [--hosts a:2,b:2] [options]\n"
    "Looks, within 20 seconds, at all that a long job needs of its hosts: programs and versions, run directory, disk, clocks, limits, "
    "ports,\n"
    "cores and memory, and whether all ranks talk. Says what is wrong and what to do about it. CONFIG: the run that is meant.\n\n"
    "  holdfast doctor configs/fashion_cnn.yaml -n 2\n"
    "  holdfast doctor configs/fashion_cnn.yaml --hosts a:2,b:2,c:2\n"
    "  holdfast doctor --run-dir /scratch/runs\n\n"
    "Inside a Slurm allocation the hosts are those of the allocation.\n"
    "Exit codes: 0 nothing that keeps a run from working (there may be warnings), 69 failures (docs/doctor.md).\n\noptions";

struct DoctorArguments {
  std::string config, trainer, hosts, hostfile, agent;
  std::vector<std::string> overrides;
  std::optional<std::string> run_directory;
  int ranks = 0;
  bool wants_json = false, is_agent = false;
};

/// nullopt: help was asked for and printed.
std::optional<DoctorArguments> parse(const std::vector<std::string>& words) {
  DoctorArguments arguments;
  std::string run_directory, ranks;
  po::options_description shown(kUsage), all;
  auto add = shown.add_options();
  add("ranks,n", po::value(&ranks), "processes, one for each rank (default: one for each core; with hosts all their slots)");
  add("hosts", po::value(&arguments.hosts), "HOST:SLOTS,… that the job will run on");
  add("hostfile", po::value(&arguments.hostfile), "file with lines 'HOST slots=N', in place of --hosts");
  add("launch-agent", po::value(&arguments.agent), "program that runs 'COMMAND' on HOST when called with both, as for holdfast run");
  add("run-dir", po::value(&run_directory), "directory of the run (default: that of CONFIG, else the working directory)");
  add("set", po::value(&arguments.overrides)->composing(), "KEY=VALUE, overrides the file; may be repeated");
  add("trainer", po::value(&arguments.trainer), "program of each rank (default: holdfast-train beside this program)");
  add("json", po::bool_switch(&arguments.wants_json), "print what was found as JSON");
  add("help,h", "print this and end");
  all.add(shown).add_options()("config", po::value(&arguments.config))("agent", po::bool_switch(&arguments.is_agent));
  const auto positions = po::positional_options_description().add("config", 1);
  const po::variables_map values = parse_words({"holdfast doctor", "holdfast doctor --help", all, positions}, words);
  if (values.count("help")) {
    print_help(shown);
    return std::nullopt;
  }
  if (!ranks.empty()) arguments.ranks = parse_count("holdfast doctor", "--ranks", ranks, 1);
  if (values.count("run-dir")) arguments.run_directory = run_directory;
  if (arguments.config.empty() && !arguments.overrides.empty())
    throw UsageError("holdfast doctor: --set without a configuration file\n  next: holdfast doctor --help");
  return arguments;
}

/// What `config plan` says, of the bytes that the hosts will have to hold.
void take_sizes(const Configuration& configuration, const json& sizes, JobFacts& job) {
  const json plan = plan_facts(configuration, sizes);
  job.state_bytes = plan["bytes_per_checkpoint"];
  job.rank_bytes = plan["bytes_per_checkpoint_and_rank"];
  job.most_bytes = plan["most_bytes"].get<std::int64_t>() + plan["most_states"].get<std::int64_t>() * job.rank_bytes;
  job.gradient_bytes = sizes.value("parameters", std::int64_t{0}) * static_cast<std::int64_t>(sizeof(float));
}

int ranks_of(const DoctorArguments& arguments, const std::vector<Host>& hosts) {
  require_slots(hosts, arguments.ranks);
  if (arguments.ranks > 0) return arguments.ranks;
  return hosts.empty() ? usable_cores() : slots_of(hosts);
}

}  // namespace

int doctor_command(const std::vector<std::string>& words) {
  const std::optional<DoctorArguments> arguments = parse(words);
  if (!arguments) return kExitOk;
  if (arguments->is_agent) return answer_doctor();
  std::optional<Configuration> configuration;
  if (!arguments->config.empty()) configuration = load_configuration(arguments->config, arguments->overrides);
  const std::vector<Host> hosts = allocated_hosts("holdfast doctor", arguments->hosts, arguments->hostfile);
  const Path program = std::filesystem::read_symlink("/proc/self/exe");
  ExaminationOptions options{
      .ranks = ranks_of(*arguments, hosts),
      .programs = {.hosts = hosts,
                   .agent = arguments->agent,
                   .holdfast = program,
                   .trainer = arguments->trainer.empty() ? program.parent_path() / "holdfast-train" : Path(arguments->trainer)},
      .run_directory = run_directory(arguments->run_directory.value_or(configuration ? configuration->run.directory : "."))};
  if (configuration) {
    options.threads = configuration->trainer.threads_per_rank;
    options.is_on_cpu = configuration->run.device == DeviceChoice::cpu;
    options.describe = {"--describe", std::filesystem::absolute(arguments->config).string()};
    add_overrides(options.describe, arguments->overrides);
    options.take_sizes = [&configuration](const json& sizes, JobFacts& job) { take_sizes(*configuration, sizes, job); };
  }
  const Examination examination = examine(options);
  std::vector<HostFinding> findings = judge(examination.hosts, examination.pairs, examination.job);
  if (!examination.job_error.empty())
    findings.push_back({Level::failure, "configuration", examination.job_error, "holdfast config plan CONFIG says the same"});
  if (arguments->wants_json)
    fmt::print("{}\n", findings_json(findings, examination).dump(2, ' ', false, json::error_handler_t::replace));
  else
    fmt::print("{}", findings_table(findings, examination.seconds));
  return worst(findings) == Level::failure ? kExitUnavailable : kExitOk;
}

}  // namespace holdfast
