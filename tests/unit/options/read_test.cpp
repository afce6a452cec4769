#include "options/read.h"

#include <gmock/gmock.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "options/dump.h"
#include "tests/unit/options/messages.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

enum class Colour { red, green };

struct Leg {
  std::int64_t length = 1;
  void describe(FieldVisitor& visitor) { visitor.field({.name = "length", .unit = "cm", .min = 1}, length); }
};

// One field of every kind.
struct Animal {
  bool is_tame = false;
  std::int64_t age = 3;
  double weight = 1.5;
  std::string name = "cat";
  std::optional<std::int64_t> litter;
  std::optional<double> speed;
  std::optional<std::string> owner;
  std::vector<std::int64_t> years = {1};
  std::vector<double> sizes;
  std::vector<std::string> foods = {"fish"};
  Colour colour = Colour::red;
  Leg tail;
  std::vector<Leg> legs;
  std::map<std::string, Leg> ears;
  OptionTree extra;

  void describe(FieldVisitor& visitor) {
    static constexpr std::pair<std::string_view, Colour> kColours[] = {{"red", Colour::red}, {"green", Colour::green}};
    visitor.field({.name = "is_tame"}, is_tame);
    visitor.field({.name = "age", .unit = "years", .min = 0, .max = 30}, age);
    visitor.field({.name = "weight", .unit = "kg", .min = 0, .min_is_excluded = true, .synonyms = "mass heaviness"}, weight);
    visitor.field({.name = "name"}, name);
    visitor.field({.name = "litter", .min = 0}, litter);
    visitor.field({.name = "speed"}, speed);
    visitor.field({.name = "owner"}, owner);
    visitor.field({.name = "years"}, years);
    visitor.field({.name = "sizes", .min = 0, .max = 1, .max_is_excluded = true}, sizes);
    visitor.field({.name = "foods"}, foods);
    visitor.choice({.name = "colour", .choice_synonyms = "scarlet=red greek=red"}, colour, kColours);
    visitor.section({.name = "tail"}, tail);
    visitor.list({.name = "legs"}, legs);
    visitor.map({.name = "ears"}, ears);
    visitor.subtree({.name = "extra"}, extra);
  }
};

Animal read(const std::string& text, const std::vector<std::string>& overrides = {}) {
  Animal animal;
  read_options(OptionTree::from_text(text, "x.yaml", overrides), animal);
  return animal;
}

std::string error_in(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return config_error_of([&] { read(text, overrides); });
}

TEST(Read, LeavesWhatIsNotNamedAsItWas) {
  const Animal animal = read("age: 5");
  EXPECT_EQ(animal.age, 5);
  EXPECT_EQ(animal.name, "cat");
  EXPECT_EQ(animal.foods, std::vector<std::string>{"fish"});
}

TEST(Read, FillsEveryKindOfField) {
  const Animal animal = read(
      "is_tame: true\nage: +7\nweight: 2\nname: 12\nlitter: 4\nspeed: -1e-3\nowner: null\nyears: [1, -2]\nsizes: [0, .5]\n"
      "foods: []\ncolour: green\ntail: {length: 9}\nlegs: [{length: 2}, {}]\nears: {left: {length: 3}, right: }\nextra: {a: [1]}\n");
  EXPECT_TRUE(animal.is_tame);
  EXPECT_EQ(animal.age, 7);
  EXPECT_EQ(animal.weight, 2.0);
  EXPECT_EQ(animal.name, "12");
  EXPECT_EQ(animal.litter, 4);
  EXPECT_EQ(animal.speed, -0.001);
  EXPECT_EQ(animal.owner, std::nullopt);
  EXPECT_EQ(animal.years, (std::vector<std::int64_t>{1, -2}));
  EXPECT_EQ(animal.sizes, (std::vector<double>{0, 0.5}));
  EXPECT_TRUE(animal.foods.empty());
  EXPECT_EQ(animal.colour, Colour::green);
  EXPECT_EQ(animal.tail.length, 9);
  ASSERT_EQ(animal.legs.size(), 2u);
  EXPECT_EQ(animal.legs[0].length, 2);
  EXPECT_EQ(animal.legs[1].length, 1);
  ASSERT_EQ(animal.ears.size(), 2u);
  EXPECT_EQ(animal.ears.at("left").length, 3);
  EXPECT_EQ(animal.ears.at("right").length, 1);
  EXPECT_EQ(animal.extra.to_json(), nlohmann::json::parse(R"({"a":[1]})"));
}

TEST(Read, TakesAnEmptySectionListOrMapAsTheDefault) {
  const Animal animal = read("tail:\nlegs:\nears:\nfoods:\nextra:\n");
  EXPECT_EQ(animal.tail.length, 1);
  EXPECT_TRUE(animal.legs.empty());
  EXPECT_EQ(animal.foods, std::vector<std::string>{"fish"});
}

TEST(Read, TakesNullForOptionalFieldsOnly) {
  Animal animal;
  animal.litter = 3;
  read_options(OptionTree::from_text("litter: null"), animal);
  EXPECT_EQ(animal.litter, std::nullopt);
  EXPECT_EQ(error_in("name: x\nage:\n"), "x.yaml:2:1: age: expected an integer (years, 0 to 30), found nothing");
}

TEST(Read, KeepsIntegersOf64BitsExactly) {
  EXPECT_EQ(read("litter: 9007199254740993").litter, 9007199254740993);
  EXPECT_EQ(read("years: [9223372036854775807, -9223372036854775808]").years,
            (std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()}));
  EXPECT_THAT(error_in("litter: 9223372036854775808"), HasSubstr("it does not fit into 64 bits"));
}

TEST(Read, TakesNumbersInEveryFormButOnlyFiniteOnes) {
  EXPECT_EQ(read("speed: 1e-3").speed, 1e-3);
  EXPECT_EQ(read("speed: 1E+3").speed, 1e3);
  EXPECT_EQ(read("speed: .5").speed, 0.5);
  EXPECT_EQ(read("speed: -5.").speed, -5.0);
  for (const char* bad : {".nan", ".inf", "-.inf", "nan", "inf", "-inf", "infinity"})
    EXPECT_THAT(error_in(std::string("speed: ") + bad), HasSubstr("it must be finite")) << bad;
  EXPECT_THAT(error_in("speed: 1e999"), HasSubstr("it does not fit into a double"));
  for (const char* bad : {"1,5", "1e", "0x10", "1_000", "--1", "+-1", "1 2", "\"1\""})
    EXPECT_THAT(error_in(std::string("speed: ") + bad), HasSubstr("x.yaml:1:8: speed: expected a number, found")) << bad;
}

TEST(Read, SaysKeyPlaceUnitRangeAndWhatWasFound) {
  EXPECT_EQ(error_in("tail:\n  length: abc\n"), "x.yaml:2:11: tail.length: expected an integer (cm, 1 or more), found 'abc'");
  EXPECT_EQ(error_in("legs:\n  - {length: 1}\n  - {length: 0}\n"),
            "x.yaml:3:14: legs.1.length: expected an integer (cm, 1 or more), found '0'");
  EXPECT_EQ(error_in("weight: 0"), "x.yaml:1:9: weight: expected a number (kg, more than 0), found '0'");
  EXPECT_EQ(error_in("sizes: [0, 1]"), "x.yaml:1:12: sizes.1: expected a number (0 or more, less than 1), found '1'");
  EXPECT_EQ(error_in("ears: {left: 3}"), "x.yaml:1:14: ears.left: expected a section (keys and values), found '3'");
  EXPECT_EQ(error_in("legs: [3]"), "x.yaml:1:8: legs.0: expected a section (keys and values), found '3'");
}

TEST(Read, SaysWhichOverrideWasWrong) {
  EXPECT_EQ(error_in("age: 1", {"age=x"}), "--set age=x: age: expected an integer (years, 0 to 30), found 'x'");
  EXPECT_EQ(error_in("", {"tail.lenght=2"}), "--set tail.lenght=2: unknown key 'lenght' in tail: did you mean 'length'?");
}

TEST(Read, CutsLongTextsInMessages) {
  const std::string message = error_in("age: " + std::string(500, 'x'));
  EXPECT_THAT(message, HasSubstr("xxx..."));
  EXPECT_LT(message.size(), 200u);
}

TEST(Read, SuggestsTheKeyThatWasMeant) {
  EXPECT_EQ(error_in("is_tme: true"), "x.yaml:1:1: unknown key 'is_tme' at the top level: did you mean 'is_tame'?");
  EXPECT_EQ(error_in("age: 1\nheavyness: 3"), "x.yaml:2:1: unknown key 'heavyness' at the top level: did you mean 'weight'?");
  EXPECT_EQ(error_in("tail: {zzz: 3}"), "x.yaml:1:8: unknown key 'zzz' in tail: allowed: length");
}

TEST(Read, SuggestsTheWordThatWasMeant) {
  EXPECT_EQ(error_in("colour: gren"), "x.yaml:1:9: colour: expected one of red, green, found 'gren': did you mean 'green'?");
  EXPECT_EQ(error_in("colour: 5"), "x.yaml:1:9: colour: expected one of red, green, found '5'");
  EXPECT_EQ(error_in("colour: skarlet"), "x.yaml:1:9: colour: expected one of red, green, found 'skarlet': did you mean 'red'?");
  EXPECT_EQ(error_in("colour: greek"), "x.yaml:1:9: colour: expected one of red, green, found 'greek': did you mean 'red'?");
}

TEST(Read, RefusesNamesThatCannotStandInAPath) {
  EXPECT_EQ(error_in("ears:\n  a.b: {}"), "x.yaml:2:3: ears: expected a name of letters, digits, _ and -, found 'a.b'");
  EXPECT_THAT(error_in("ears: {'': {}}"), HasSubstr("found ''"));
  EXPECT_EQ(read("ears: {A-z_9: {}}").ears.count("A-z_9"), 1u);
}

TEST(Read, KeepsPlacesAndPathsInSubtrees) {
  const Animal animal = read("age: 1\nextra:\n  length: none\n");
  Leg leg;
  EXPECT_EQ(config_error_of([&] { read_options(animal.extra, leg); }),
            "x.yaml:3:11: extra.length: expected an integer (cm, 1 or more), found 'none'");
  const Animal misspelt = read("extra: {lenght: 1}");
  EXPECT_EQ(config_error_of([&] { read_options(misspelt.extra, leg); }),
            "x.yaml:1:9: unknown key 'lenght' in extra: did you mean 'length'?");
}

TEST(Read, GivesASubtreeThatIsNotThereThePlaceOfItsParent) {
  const Animal animal = read("\nage: 1\n");
  EXPECT_EQ(animal.extra.where(), "x.yaml:2:1");
  EXPECT_EQ(animal.extra.path(), "extra");
}

TEST(ToJson, HoldsEveryFieldAndReadsBack) {
  const Animal animal = read("age: 8\nspeed: 0.1\nlegs: [{length: 4}]\nears: {left: {}}\nextra: {a: {b: \"7\"}}\ncolour: green\n");
  const nlohmann::json json = to_json(animal);
  EXPECT_EQ(json["speed"], 0.1);
  EXPECT_EQ(json["owner"], nullptr);
  EXPECT_EQ(json["colour"], "green");
  EXPECT_EQ(to_json(read(json.dump())), json);
}

TEST(ToYaml, ReadsBackTextThatLooksLikeSomethingElse) {
  for (const std::string text :
       {"", "null", "true", "No", "1e3", "a: b", "# x", " x ", "-", "é \"q\" \\", "two\nlines", "~", ".inf", "runs/a_b-c.d"}) {
    Animal animal;
    animal.owner = text;
    animal.foods = {text, text};
    animal.extra = OptionTree::from_text(nlohmann::json({{"key", text}, {text + "k", 1}}).dump());
    const std::string yaml = to_yaml(describe_to_ordered_json([&](FieldVisitor& visitor) { animal.describe(visitor); }));
    EXPECT_EQ(to_json(read(yaml)), to_json(animal)) << yaml;
  }
}

}  // namespace
}  // namespace holdfast
