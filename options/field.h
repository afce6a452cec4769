// How an option struct describes itself: one `describe` function per struct names every field with its default (the
// member's initial value), unit, range and meaning. The YAML reader, the dump, the reference in docs/ and the JSON schema
// are visitors of the same description, so that none of them can be out of date.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "options/tree.h"

namespace holdfast {

struct Field {
  std::string_view name;
  std::string_view doc;   // one sentence or two: what it does and what follows from it
  std::string_view unit;  // "samples", "seconds", "updates"; empty: none
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool min_is_excluded = false;
  std::span<const std::string_view> choices = {};  // for text: the words that are allowed; empty: any
  bool max_is_excluded = false;
  std::string_view synonyms = {};         // what other programs call it, words between spaces: for "did you mean"
  bool takes_one_text = false;            // of a list of texts: one text stands for a list of that one
  std::string_view choice_synonyms = {};  // likewise of the choices, "THEIRS=OURS"; OURS that is none of them: nothing
};

/// Visits the fields of an option struct in order. Numbers: the range holds for each element.
class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;
  virtual void field(const Field&, bool&) = 0;
  virtual void field(const Field&, std::int64_t&) = 0;
  virtual void field(const Field&, double&) = 0;
  virtual void field(const Field&, std::string&) = 0;
  virtual void field(const Field&, std::optional<std::int64_t>&) = 0;
  virtual void field(const Field&, std::optional<double>&) = 0;
  virtual void field(const Field&, std::optional<std::string>&) = 0;
  virtual void field(const Field&, std::vector<std::int64_t>&) = 0;
  virtual void field(const Field&, std::vector<double>&) = 0;
  virtual void field(const Field&, std::vector<std::string>&) = 0;
  /// A sub-tree that its owner checks later (a task's options), positions kept.
  virtual void subtree(const Field&, OptionTree&) = 0;

  /// A word out of a fixed set.
  template <class E, std::size_t N>
  void choice(Field info, E& value, const std::pair<std::string_view, E> (&words)[N]) {
    std::string_view names[N];
    std::string text;
    for (std::size_t i = 0; i < N; ++i) {
      names[i] = words[i].first;
      if (words[i].second == value) text = words[i].first;
    }
    info.choices = names;
    field(info, text);
    for (const auto& [name, word] : words)
      if (name == text) value = word;
  }

  /// A nested struct with a `describe` of its own.
  template <class T>
  void section(const Field& info, T& value) {
    begin_section(info);
    value.describe(*this);
    end_section();
  }
  /// A list of structs.
  template <class T>
  void list(const Field& info, std::vector<T>& values) {
    const std::size_t size = begin_list(info, values.size());
    if (size != kKeep) values.resize(size);
    for (std::size_t i = 0; i < values.size(); ++i) {
      begin_item(i);
      values[i].describe(*this);
      end_item();
    }
    if (values.empty() && describes_items()) describe_example<T>();
    end_list();
  }
  /// Structs by name.
  template <class T>
  void map(const Field& info, std::map<std::string, T>& values) {
    std::vector<std::string> names;
    for (const auto& [name, value] : values) names.push_back(name);
    const std::optional<std::vector<std::string>> wanted = begin_map(info, names);
    if (wanted) {
      values.clear();
      for (const std::string& name : *wanted) values.emplace(name, T{});
    }
    for (auto& [name, value] : values) {
      begin_entry(name);
      value.describe(*this);
      end_entry();
    }
    if (values.empty() && describes_items()) describe_example<T>();
    end_map();
  }

 protected:
  static constexpr std::size_t kKeep = static_cast<std::size_t>(-1);
  virtual void begin_section(const Field&) = 0;
  virtual void end_section() = 0;
  /// Returns the number of items that the source has, kKeep to visit what is there.
  virtual std::size_t begin_list(const Field&, std::size_t size) = 0;
  virtual void begin_item(std::size_t index) = 0;
  virtual void end_item() = 0;
  virtual void end_list() = 0;
  /// Returns the names that the source has, nullopt to visit what is there.
  virtual std::optional<std::vector<std::string>> begin_map(const Field&, const std::vector<std::string>& names) = 0;
  virtual void begin_entry(const std::string& name) = 0;
  virtual void end_entry() = 0;
  virtual void end_map() = 0;
  /// True for visitors that want one default item of an empty list or map (the reference, the schema).
  virtual bool describes_items() const { return false; }

 private:
  template <class T>
  void describe_example() {
    T example{};
    begin_item(0);
    example.describe(*this);
    end_item();
  }
};

}  // namespace holdfast
