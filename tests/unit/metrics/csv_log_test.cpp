#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/unit/metrics/directory.h"
#include "trainer/metrics/csv_log.h"

namespace holdfast {
namespace {

class Table : public InADirectory {
 protected:
  Path path() const { return directory_ / "metrics.csv"; }
  std::string text() const { return read_text(*files_, path()); }
};

TEST_F(Table, HasAColumnForEachNumberAndARowForEachLine) {
  CsvLog log(*files_, path(), {.step = 0});
  log.write({{"kind", "train"}, {"step", 10}, {"loss", 0.5}, {"lr", {{"main", 0.1}}}, {"samples_seen", 640}});
  log.write({{"kind", "validation"}, {"step", 10}, {"loss", 0.25}, {"accuracy", 1.0}, {"weights", "ema"}});
  log.write({{"kind", "train"},
             {"step", 20},
             {"loss", std::numeric_limits<double>::quiet_NaN()},
             {"lr", {{"main", 0.1}}},
             {"samples_seen", 1280}});
  EXPECT_EQ(text(),
            "kind,step,loss,lr.main,samples_seen,accuracy\n"
            "train,10,0.5,0.1,640,\n"
            "validation,10,0.25,,,1\n"
            "train,20,nan,0.1,1280,\n");
}

TEST_F(Table, IsCutBackToTheRestoredStepAndGoesOnUnderTheSameColumns) {
  std::ofstream(path()) << "kind,step,loss\ntrain,10,1\ntrain,20,2\ntrain,30,3\ntrain,15";
  CsvLog log(*files_, path(), {.step = 20});
  log.write({{"kind", "train"}, {"step", 30}, {"loss", 4}});
  EXPECT_EQ(text(), "kind,step,loss\ntrain,10,1\ntrain,20,2\ntrain,30,4\n");
}

TEST_F(Table, ALastRowThatLooksWholeButHasNoEndIsTorn) {
  std::ofstream(path()) << "kind,step,loss\ntrain,10,1\ntrain,20,12";  // of 12.5
  CsvLog log(*files_, path(), {.step = 20});
  EXPECT_EQ(text(), "kind,step,loss\ntrain,10,1\n");
}

TEST_F(Table, AValidationThatIsOwedIsWrittenOnce) {
  std::ofstream(path()) << "kind,step,loss\nvalidation,10,1\ntrain,20,2\nvalidation,20,3\n";
  CsvLog log(*files_, path(), {.step = 20});
  EXPECT_EQ(text(), "kind,step,loss\nvalidation,10,1\ntrain,20,2\n");
}

TEST_F(Table, ANameWithACommaIsOneColumn) {
  CsvLog log(*files_, path(), {.step = 0});
  log.write({{"kind", "train"}, {"step", 1}, {"lr", {{"a,b", 2}}}});
  EXPECT_EQ(text(), "kind,step,lr.a_b\ntrain,1,2\n");
}

}  // namespace
}  // namespace holdfast
