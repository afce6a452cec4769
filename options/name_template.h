// Names made of a run's figures: "{epoch}-{val_loss:.2f}" becomes "epoch=3-val_loss=0.25". The braces are those of Lightning's
// ModelCheckpoint, formats are Python's for numbers (width, precision, d e f g). Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

/// What a name may be made of.
struct NameFigures {
  std::int64_t epoch = 0;
  std::int64_t step = 0;
  std::map<std::string, double> metrics;
};

class NameTemplate {
 public:
  /// `inserts_names`: "{epoch}" becomes "epoch=3" instead of "3". Throws std::invalid_argument, which says what is wrong: a brace
  /// without its partner, a format that such a number does not have.
  NameTemplate(std::string_view text, bool inserts_names);

  /// A relative path: `/` makes directories. A metric that is not there is "nan".
  std::string format(const NameFigures& figures) const;
  /// The metrics that it asks for.
  std::vector<std::string> metrics() const;

 private:
  struct Part {
    std::string text;  // as it is, or the name of a figure
    bool is_figure = false;
    std::string format;
  };
  std::vector<Part> parts_;
  bool inserts_names_;
};

/// Throws std::invalid_argument when `name` is not the relative path of a file: empty, absolute, with "." or "..", too long.
void require_file_name(const std::string& name);

}  // namespace holdfast
