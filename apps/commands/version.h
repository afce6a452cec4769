// `holdfast --version`.
#pragma once

namespace holdfast {

int print_versions();

}  // namespace holdfast
