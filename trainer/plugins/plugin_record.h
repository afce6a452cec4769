// What a plugin was built with, as text inside its file. Every object that includes trainer/registry.h carries it, without a word of its
// author, and trainer/plugins/plugin.cpp reads it from the file before any code of the plugin runs.
#pragma once

#include <holdfast_interface.h>
#include <torch/version.h>

#include <version>

// What the layout of std::string and of the containers depends on.
#if defined(_LIBCPP_VERSION)
#define HOLDFAST_STANDARD_LIBRARY "libc++"
#elif !_GLIBCXX_USE_CXX11_ABI
#define HOLDFAST_STANDARD_LIBRARY "libstdc++, strings of before C++11"
#elif defined(_GLIBCXX_DEBUG)
#define HOLDFAST_STANDARD_LIBRARY "libstdc++, containers for debugging"
#else
#define HOLDFAST_STANDARD_LIBRARY "libstdc++"
#endif

// One fact a line; the compiler is told only, the others have to be those of the program.
extern "C" {
[[gnu::used, gnu::visibility("default")]] inline constexpr char holdfast_plugin_record[] =
    "Holdfast plugin record 1\n"
    "Holdfast " HOLDFAST_INTERFACE
    "\n"
    "LibTorch " TORCH_VERSION
    "\n"
    "standard library " HOLDFAST_STANDARD_LIBRARY
    "\n"
    "compiler " __VERSION__ "\n";
}

#undef HOLDFAST_STANDARD_LIBRARY
