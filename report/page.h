// The report as one page of HTML that needs nothing else: style and pictures are in it, and no script. Light or dark as the reader's system
// is.
#pragma once

#include <string>

#include "report/history.h"

namespace holdfast {

std::string report_page(const RunHistory& history);

}  // namespace holdfast
