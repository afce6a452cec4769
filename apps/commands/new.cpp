#include "apps/commands/new.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>

#include "apps/command_line/parse.h"
#include "base/error.h"
#include "base/file_system.h"

namespace holdfast {
namespace {

namespace po = boost::program_options;

constexpr const char* kUsage =
    "usage: holdfast new NAME [--directory DIRECTORY]\n"
    "Writes a project with a task called NAME: source, CMakeLists.txt, configuration, test, README. It builds, trains and resumes as it "
    "is.\n\n"
    "options";

// What stands in the files of the template for the name of the task, and for where this Holdfast is.
constexpr std::string_view kNameThere = "my_task", kPrefixThere = "/path/to/holdfast/build/release";

struct NewArguments {
  std::string name, directory;
};

/// nullopt: help was asked for and printed.
std::optional<NewArguments> parse(const std::vector<std::string>& words) {
  NewArguments arguments;
  po::options_description shown(kUsage), all;
  shown.add_options()("directory", po::value(&arguments.directory), "where to write it (default: ./NAME)")("help,h", "print this and end");
  all.add(shown).add_options()("name", po::value(&arguments.name));
  const auto positions = po::positional_options_description().add("name", 1);
  if (parse_words({"holdfast new", "holdfast new --help", all, positions}, words).count("help")) {
    print_help(shown);
    return std::nullopt;
  }
  return arguments;
}

/// It becomes the name of files, of a CMake project and of its target.
void require_name(const std::string& name) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz", kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789_";
  constexpr std::array<std::string_view, 9> kTargets = {"all",  "clean",   "edit_cache",     "help",         "install",
                                                        "test", "package", "package_source", "rebuild_cache"};
  const auto refuse = [&name](const std::string& expected, const std::string& cause) {
    throw UsageError(to_string({.attempted = "holdfast new",
                                .expected = expected,
                                .found = name.empty() ? "none" : fmt::format("'{}'", name),
                                .cause = cause,
                                .next = "holdfast new my_model"}));
  };
  if (name.empty() || kLetters.find(name.front()) == kLetters.npos || name.find_first_not_of(kAllowed) != name.npos)
    refuse("a name of lower-case letters, digits and _, the first a letter", "");
  if (std::find(kTargets.begin(), kTargets.end(), name) != kTargets.end()) refuse("another name", "CMake has a target of that name");
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
  return text;
}

struct ProjectFile {
  std::string name, text;
};

/// The template with its names replaced. `program` is this program's own path: the template lies beside it.
std::vector<ProjectFile> project_files(FileSystem& files, const Path& program, const std::string& name) {
  const Path source = (program.parent_path() / HOLDFAST_TEMPLATES / "task").lexically_normal();
  const std::string prefix = program.parent_path().parent_path().string();
  std::vector<ProjectFile> project;
  for (const std::string& file : files.list(source))
    project.push_back({.name = replaced(file, kNameThere, name),
                       .text = replaced(replaced(read_text(files, source / file), kNameThere, name), kPrefixThere, prefix)});
  if (project.empty())
    throw StorageError(ErrorText{.attempted = "read the template in " + source.string(),
                                 .expected = "its files",
                                 .found = "none",
                                 .next = "install Holdfast anew (cmake --install)"});
  return project;
}

void write(FileSystem& files, const Path& directory, const ProjectFile& file) {
  const auto out = files.create(directory / file.name);
  out->write_at(0, std::as_bytes(std::span(file.text)));
  out->close();
}

}  // namespace

int new_command(const std::vector<std::string>& words) {
  const std::optional<NewArguments> arguments = parse(words);
  if (!arguments) return kExitOk;
  require_name(arguments->name);
  const std::unique_ptr<FileSystem> files = make_posix_file_system();
  const Path program = std::filesystem::read_symlink("/proc/self/exe");
  const std::vector<ProjectFile> project = project_files(*files, program, arguments->name);
  const Path shown = arguments->directory.empty() ? arguments->name : arguments->directory;
  const Path directory = std::filesystem::absolute(shown);
  if (files->kind(directory) != FileKind::none && !(files->kind(directory) == FileKind::directory && files->list(directory).empty()))
    throw UsageError(to_string({.attempted = "holdfast new " + arguments->name,
                                .expected = "a directory that is empty or not there",
                                .found = shown.string(),
                                .next = fmt::format("holdfast new {} --directory DIRECTORY", arguments->name)}));
  make_directories(*files, directory);
  for (const ProjectFile& file : project) {
    write(*files, directory, file);
    fmt::print("{}\n", (shown / file.name).string());
  }
  fmt::print(
      "\nBuild and test it:\n  cmake -S {0} -B {0}/build -DCMAKE_PREFIX_PATH={1} && cmake --build {0}/build\n"
      "  ctest --test-dir {0}/build --output-on-failure\n",
      shown.string(), program.parent_path().parent_path().string());
  return kExitOk;
}

}  // namespace holdfast
