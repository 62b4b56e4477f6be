// Prints the frequency of this processor's time stamp counter in kHz, measured against the system's clock for
// 50 ms. An emulated guest sees this counter, and may get its frequency wrong when it measures by itself.
#include <x86intrin.h>

#include <cstdio>
#include <ctime>

namespace {

struct Moment {
  double seconds;
  double ticks;
};

double system_clock() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_RAW, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// Both clocks at once: of several looks the one that was interrupted least.
Moment look() {
  Moment best{};
  double shortest = 1;
  for (int i = 0; i < 100; ++i) {
    const double before = system_clock();
    const auto ticks = static_cast<double>(__rdtsc());
    const double after = system_clock();
    if (after - before >= shortest) continue;
    shortest = after - before;
    best = {(before + after) / 2, ticks};
  }
  return best;
}

}  // namespace

int main() {
  const Moment first = look();
  const timespec pause{.tv_sec = 0, .tv_nsec = 50'000'000};
  nanosleep(&pause, nullptr);
  const Moment second = look();
  std::printf("%.0f\n", (second.ticks - first.ticks) / (second.seconds - first.seconds) / 1e3);
}
