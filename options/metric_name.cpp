#include "options/metric_name.h"

#include <algorithm>
#include <iterator>

#include "options/nearest.h"

namespace holdfast {

bool is_metric_name(std::string_view name) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
  return !name.empty() && name.find_first_not_of(kAllowed) == name.npos &&
         std::find(std::begin(kTakenNames), std::end(kTakenNames), name) == std::end(kTakenNames);
}

std::vector<std::string> of_validation(const std::vector<std::string>& metrics) {
  std::vector<std::string> found;
  std::copy_if(metrics.begin(), metrics.end(), std::back_inserter(found), is_of_validation);
  return found;
}

ErrorText unknown_metric(std::string_view what, const std::string& metric, const std::vector<std::string>& known) {
  ErrorText text = unknown_word(what, metric, known);
  if (of_validation(known).empty() && (is_of_validation(metric) || known.empty()))
    text.next = "turn a validation on (`validation: {every_epochs: 1}`), with data that have a part for it";
  return text;
}

}  // namespace holdfast
