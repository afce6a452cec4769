// Batches assembled ahead by one thread. The thread holds no state that matters: what it makes is a function of the
// position, and seek() throws away what is not wanted.
#pragma once

#include <memory>
#include <string>

#include "data/batch_plan.h"
#include "trainer/batch_loader.h"
#include "trainer/data_source.h"

namespace holdfast {

/// `ahead`: batches assembled ahead; 0 reads in the calling thread. The source may be shared by several loaders. The loader has to
/// seek() before next(). Throws DataError that calls the data `name` when they give no batch.
std::unique_ptr<BatchLoader> make_loader(std::shared_ptr<const DataSource> source, const BatchPlan& plan, std::int64_t ahead,
                                         const std::string& name = "training data");

}  // namespace holdfast
