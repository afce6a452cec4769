#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/unit/metrics/directory.h"
#include "trainer/metrics/metrics_log.h"

namespace holdfast {
namespace {

class Metrics : public InADirectory {
 protected:
  Path path() const { return directory_ / "metrics.jsonl"; }
  std::string text() const { return read_text(*files_, path()); }
};

TEST_F(Metrics, AreCutBackToTheRestoredStep) {
  std::ofstream(path()) << R"({"step":10})"
                           "\n"
                           R"({"step":20})"
                           "\n"
                           R"({"step":30})"
                           "\n";
  MetricsLog log(*files_, path(), {.step = 20});
  log.write({{"step", 30}, {"again", true}});
  EXPECT_EQ(text(), R"({"step":10})"
                    "\n"
                    R"({"step":20})"
                    "\n"
                    R"({"again":true,"step":30})"
                    "\n");
}

TEST_F(Metrics, AValidationThatIsOwedIsWrittenOnce) {
  const std::string train = R"({"kind":"train","step":20})"
                            "\n",
                    validation = R"({"kind":"validation","step":10})"
                                 "\n";
  std::ofstream(path()) << validation << train << R"({"kind":"validation","step":20})"
                        << "\n";
  MetricsLog log(*files_, path(), {.step = 20});
  EXPECT_EQ(text(), validation + train);
}

TEST_F(Metrics, OfTheRestoredStepAsManyValidationsStayAsItKnows) {
  const std::string first = R"({"kind":"validation","number":1,"step":20})"
                            "\n",
                    second = R"({"kind":"validation","number":2,"step":20})"
                             "\n";
  for (const auto& [validations, kept] : {std::pair(0, std::string()), {1, first}, {2, first + second}}) {
    std::ofstream(path()) << first << second;
    MetricsLog log(*files_, path(), {.step = 20, .validations = validations});
    EXPECT_EQ(text(), kept) << validations;
  }
}

TEST_F(Metrics, OfARunThatBeginsNothingStays) {
  std::ofstream(path()) << R"({"kind":"validation","step":0})"
                        << "\n";
  MetricsLog log(*files_, path(), {});
  EXPECT_EQ(text(), "");
}

TEST_F(Metrics, ATornLastLineGoes) {
  std::ofstream(path()) << R"({"step":10})"
                           "\n"
                           R"({"step":2)";
  MetricsLog log(*files_, path(), {.step = 100});
  EXPECT_EQ(text(), R"({"step":10})"
                    "\n");
}

}  // namespace
}  // namespace holdfast
