#include "options/field_list.h"

#include <nlohmann/json.hpp>

#include "options/node.h"

namespace holdfast {
namespace {

class Lister : public FieldVisitor {
 public:
  std::vector<DescribedField> take() { return std::move(fields_); }

  void field(const Field& info, bool& value) override { add(info, FieldType::boolean, value); }
  void field(const Field& info, std::int64_t& value) override { add(info, FieldType::integer, value); }
  void field(const Field& info, double& value) override { add(info, FieldType::number, value); }
  void field(const Field& info, std::string& value) override { add(info, FieldType::text, value); }
  void field(const Field& info, std::optional<std::int64_t>& value) override { add_optional(info, FieldType::integer, value); }
  void field(const Field& info, std::optional<double>& value) override { add_optional(info, FieldType::number, value); }
  void field(const Field& info, std::optional<std::string>& value) override { add_optional(info, FieldType::text, value); }
  void field(const Field& info, std::vector<std::int64_t>& value) override { add(info, FieldType::integers, value); }
  void field(const Field& info, std::vector<double>& value) override { add(info, FieldType::numbers, value); }
  void field(const Field& info, std::vector<std::string>& value) override { add(info, FieldType::texts, value); }
  void subtree(const Field& info, OptionTree&) override {
    add(info, FieldType::section, nlohmann::json::object());
    fields_.back().is_subtree = true;
  }

 protected:
  void begin_section(const Field& info) override { enter(info, FieldType::section); }
  void end_section() override { path_.pop_back(); }
  std::size_t begin_list(const Field& info, std::size_t) override {
    enter(info, FieldType::list);
    return 0;  // one example stands for the items, whatever the default holds
  }
  void begin_item(std::size_t) override { path_.emplace_back(is_map_.back() ? kAnyName : kAnyIndex); }
  void end_item() override { path_.pop_back(); }
  void end_list() override { leave(); }
  std::optional<std::vector<std::string>> begin_map(const Field& info, const std::vector<std::string>&) override {
    enter(info, FieldType::map);
    return std::vector<std::string>();
  }
  void begin_entry(const std::string& name) override { path_.push_back(name); }
  void end_entry() override { path_.pop_back(); }
  void end_map() override { leave(); }
  bool describes_items() const override { return true; }

 private:
  void add(const Field& info, FieldType type, const nlohmann::json& value) {
    DescribedField field{.path = path_, .type = type};
    field.path.emplace_back(info.name);
    field.default_json = value.dump();
    field.doc = info.doc;
    field.unit = info.unit;
    field.min = info.min;
    field.max = info.max;
    field.min_is_excluded = info.min_is_excluded;
    field.max_is_excluded = info.max_is_excluded;
    field.choices.assign(info.choices.begin(), info.choices.end());
    field.takes_one_text = info.takes_one_text;
    fields_.push_back(std::move(field));
  }
  template <class T>
  void add_optional(const Field& info, FieldType type, const std::optional<T>& value) {
    add(info, type, value ? nlohmann::json(*value) : nlohmann::json());
    fields_.back().is_optional = true;
  }
  void enter(const Field& info, FieldType type) {
    add(info, type, type == FieldType::list ? nlohmann::json::array() : nlohmann::json::object());
    path_.emplace_back(info.name);
    if (type != FieldType::section) is_map_.push_back(type == FieldType::map);
  }
  void leave() {
    path_.pop_back();
    is_map_.pop_back();
  }

  std::vector<DescribedField> fields_;
  std::vector<std::string> path_;
  std::vector<bool> is_map_;
};

}  // namespace

std::string DescribedField::dotted() const {
  std::string out;
  for (const std::string& part : path) out = join_path(out, part);
  return out;
}

std::vector<DescribedField> list_fields(const std::function<void(FieldVisitor&)>& describe) {
  Lister lister;
  describe(lister);
  return lister.take();
}

}  // namespace holdfast
