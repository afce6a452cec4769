// The words after `holdfast ckpt COMMAND`: paths and that command's own options.
#pragma once

#include <boost/program_options.hpp>
#include <string>
#include <vector>

namespace holdfast {

class CheckpointArguments {
 public:
  /// `options`: what the command knows beside --help. Throws UsageError for any other option, and unless there are `path_count` paths.
  CheckpointArguments(const std::string& command, const std::vector<std::string>& words, std::size_t path_count,
                      const boost::program_options::options_description& options = {});
  bool has(const char* option) const { return values_.count(option) > 0; }
  template <class T>
  T get(const char* option) const {
    return values_[option].as<T>();
  }
  const std::string& path(std::size_t i = 0) const { return paths_.at(i); }

 private:
  boost::program_options::variables_map values_;
  std::vector<std::string> paths_;
};

}  // namespace holdfast
