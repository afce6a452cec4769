// seeds DIRECTORY: what the fuzz targets begin with: DIRECTORY/manifest/*, DIRECTORY/shard/*, and the dictionary DIRECTORY/yaml.dict of
// every key and choice of a configuration.
#include <filesystem>
#include <fstream>
#include <iostream>

#include "checkpoint/format/layout.h"
#include "fuzzed_checkpoint.h"
#include "options/field_list.h"
#include "options/run_options.h"

namespace holdfast {
namespace {

void write(const Path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

void write_dictionary(const Path& path) {
  std::string words;
  for (const DescribedField& field : list_fields_of<Configuration>()) {
    words += "\"" + field.name() + ": \"\n";
    for (const std::string& choice : field.choices) words += "\"" + choice + "\"\n";
  }
  for (const char* word : {"null", "true", "0.5", "-1", "1e300", "~", "&a ", "*a", "- ", "{", "[", "!!str ", "|\\x0a", "? "})
    words += "\"" + std::string(word) + "\"\n";
  write(path, words);
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  using namespace holdfast;
  if (argc != 2) return 64;
  const Path directory = argv[1];
  const FuzzedCheckpoint checkpoint;
  MemoryFileSystem files(checkpoint.files());
  for (const std::string& name : files.list(checkpoint.path()))
    write(directory / (name == kManifestName ? "manifest" : "shard") / name, read_text(files, checkpoint.path() / name));
  write(directory / "manifest/empty", to_text(Manifest{.world_size = 0}));
  write_dictionary(directory / "yaml.dict");
  return 0;
}
