// Changes JSON at one place, so that it stays JSON: what random bytes hardly ever do.
#pragma once

#include <nlohmann/json.hpp>

#include <random>

namespace holdfast {

class JsonMutation {
 public:
  explicit JsonMutation(unsigned seed) : random_(seed) {}
  void apply(nlohmann::ordered_json& root) {
    std::vector<nlohmann::ordered_json*> places;
    collect(root, places);
    nlohmann::ordered_json& place = *places[random_() % places.size()];
    switch (random_() % 6) {
      case 0: place = strange_value(); break;
      case 1: place = *places[random_() % places.size()]; break;  // something that stands elsewhere
      case 2: change_number(place); break;
      case 3: remove_member(place); break;
      case 4: repeat_member(place); break;
      default: change_text(place);
    }
  }

 private:
  using Json = nlohmann::ordered_json;

  static void collect(Json& at, std::vector<Json*>& places) {
    places.push_back(&at);
    if (at.is_structured())
      for (Json& member : at) collect(member, places);
  }
  Json strange_value() {
    const Json values[] = {nullptr,
                           true,
                           0,
                           -1,
                           1.5,
                           1e300,
                           INT64_MAX,
                           INT64_MIN,
                           UINT64_MAX,
                           std::int64_t{1} << 32,
                           "",
                           "../../x",
                           "/etc/passwd",
                           std::string(3, '\0'),
                           "a/b",
                           Json::array(),
                           Json::object(),
                           Json::array({1}),
                           Json::array({Json::array({Json::array()})})};
    return values[random_() % std::size(values)];
  }
  void change_number(Json& place) {
    if (!place.is_number_integer()) return;
    const std::int64_t deltas[] = {1, -1, 2, 255, 4096, 1 << 20, std::int64_t{1} << 32, std::int64_t{1} << 62};
    place = static_cast<std::int64_t>(place.get<std::uint64_t>() + static_cast<std::uint64_t>(deltas[random_() % std::size(deltas)]));
  }
  void remove_member(Json& place) {
    if (!place.is_structured() || place.empty()) return;
    place.erase(std::next(place.begin(), static_cast<std::ptrdiff_t>(random_() % place.size())));
  }
  void repeat_member(Json& place) {
    if (!place.is_array() || place.empty()) return;
    const Json member = place[random_() % place.size()];
    place.insert(std::next(place.begin(), static_cast<std::ptrdiff_t>(random_() % place.size())), member);
  }
  void change_text(Json& place) {
    if (!place.is_string()) return;
    std::string text = place.get<std::string>();
    if (text.empty() || random_() % 4 == 0)
      text.insert(random_() % (text.size() + 1), random_() % 2 ? "/" : "..");
    else
      text[random_() % text.size()] = static_cast<char>("0/.~f{"[random_() % 6]);
    place = text;
  }

  std::mt19937 random_;
};

}  // namespace holdfast
