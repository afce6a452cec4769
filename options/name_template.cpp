#include "options/name_template.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <regex>
#include <stdexcept>

namespace holdfast {
namespace {

constexpr std::size_t kLongestName = 200;  // of 255; a suffix has to fit

bool is_counter(const std::string& figure) { return figure == "epoch" || figure == "step"; }

std::string format_counter(std::int64_t value, const std::string& format) {
  const bool is_fraction = !format.empty() && std::string_view("eEfFgG").find(format.back()) != std::string_view::npos;
  const std::string pattern = "{:" + format + "}";
  return is_fraction ? fmt::format(fmt::runtime(pattern), static_cast<double>(value)) : fmt::format(fmt::runtime(pattern), value);
}

std::string format_metric(double value, const std::string& format) {
  std::string text = fmt::format(fmt::runtime("{:" + format + "}"), value);
  if (format.empty() && text.find_first_not_of("-0123456789") == text.npos) text += ".0";  // as Python prints it
  return text;
}

void require_format(const std::string& figure, const std::string& format) {
  static const std::regex kNumber("[ +-]?0?[0-9]{0,2}(\\.[0-9]{1,2})?[deEfFgG]?");
  const bool is_right = std::regex_match(format, kNumber) && (is_counter(figure) || format.empty() || format.back() != 'd') &&
                        (format.empty() || format.back() != 'd' || format.find('.') == format.npos);
  const bool needs_letter =
      is_counter(figure) && format.find('.') != format.npos && std::isdigit(static_cast<unsigned char>(format.back()));
  if (!is_right || needs_letter)
    throw std::invalid_argument(fmt::format(
        "'{}' has no format '{}': {}", figure, format,
        is_counter(figure) ? "it is an integer: {step}, {step:06d}" : "it is a number with a fraction: {val_loss:.2f}, {val_loss:3e}"));
}

}  // namespace

NameTemplate::NameTemplate(std::string_view text, bool inserts_names) : inserts_names_(inserts_names) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t open = std::min(text.find_first_of("{}", at), text.size());
    if (open > at) parts_.push_back({.text = std::string(text.substr(at, open - at))});
    if (open == text.size()) break;
    const std::size_t close = text.find('}', open);
    if (text[open] == '}' || close == text.npos || text.substr(open + 1, close - open - 1).find('{') != text.npos)
      throw std::invalid_argument(fmt::format("the brace at character {} has no partner", open + 1));
    const std::string_view inside = text.substr(open + 1, close - open - 1);
    const std::size_t colon = std::min(inside.find(':'), inside.size());
    Part part{.text = std::string(inside.substr(0, colon)),
              .is_figure = true,
              .format = std::string(inside.substr(std::min(colon + 1, inside.size())))};
    if (part.text.empty()) throw std::invalid_argument(fmt::format("no name in the braces at character {}", open + 1));
    require_format(part.text, part.format);
    parts_.push_back(std::move(part));
    at = close + 1;
  }
}

std::string NameTemplate::format(const NameFigures& figures) const {
  std::string name;
  for (const Part& part : parts_) {
    if (part.is_figure && inserts_names_) name += part.text + "=";
    if (!part.is_figure) {
      name += part.text;
    } else if (is_counter(part.text)) {
      name += format_counter(part.text == "epoch" ? figures.epoch : figures.step, part.format);
    } else {
      const auto metric = figures.metrics.find(part.text);
      name += format_metric(metric == figures.metrics.end() ? std::numeric_limits<double>::quiet_NaN() : metric->second, part.format);
    }
  }
  return name;
}

std::vector<std::string> NameTemplate::metrics() const {
  std::vector<std::string> names;
  for (const Part& part : parts_)
    if (part.is_figure && !is_counter(part.text)) names.push_back(part.text);
  return names;
}

void require_file_name(const std::string& name) {
  if (name.empty()) throw std::invalid_argument("the name would be empty");
  if (name.size() > kLongestName) throw std::invalid_argument(fmt::format("the name would be longer than {} bytes", kLongestName));
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t end = std::min(name.find('/', at), name.size());
    const std::string part = name.substr(at, end - at);
    if (part.empty() || part == "." || part == "..") throw std::invalid_argument(fmt::format("'{}' is no name of a file", name));
    at = end + 1;
  }
}

}  // namespace holdfast
