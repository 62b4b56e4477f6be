#include "datagram/registration.h"

#include <chrono>
#include <utility>

#include "ground/error.h"

namespace rdpipe {
namespace {

using std::chrono::seconds;

constexpr auto kLifetime = seconds(15);
constexpr auto kRenewal = kLifetime / 3;

std::uint64_t expiry_from_now() {
  return seconds_since_1970() + static_cast<std::uint64_t>(kLifetime.count());
}

}  // namespace

Registration::Registration(Loop& loop, const std::string& url, std::function<void(const std::string&)> notice)
    : loop_(loop), notice_(std::move(notice)), registry_(loop, url) {}

Registration::~Registration() {
  try {
    finish();
    for (const auto& [name, kept] : names_) registry_.remove(name);
  } catch (const std::exception&) {  // they expire
  }
}

void Registration::add(const std::string& name, RegistryEntry entry) {
  finish();
  entry.expiry = expiry_from_now();
  registry_.put(name, entry);
  names_[name] = {.entry = std::move(entry), .renewal = Deadline::in(kRenewal)};
}

void Registration::remove(const std::string& name) {
  finish();
  if (names_.erase(name) > 0) registry_.remove(name);
}

void Registration::finish() {
  while (renewal_.pending()) loop_.wait();
  settle();
}

void Registration::settle() {
  if (!renewal_.done()) return;
  try {
    renewal_.take();
  } catch (const Error& error) {
    notice_(std::string("warning: ") + error.what());
  }
}

void Registration::renew() {
  settle();
  if (renewal_.pending()) return;
  for (auto& [name, kept] : names_) {
    if (!kept.renewal.passed()) continue;
    kept.entry.expiry = expiry_from_now();
    kept.renewal = Deadline::in(kRenewal);
    return registry_.begin_put(renewal_, name, kept.entry);
  }
}

Deadline Registration::next() const {
  Deadline next = Deadline::never();
  if (renewal_.pending()) return next;  // the loop wakes up when it is done
  for (const auto& [name, kept] : names_) next = next.earlier(kept.renewal);
  return next;
}

}  // namespace rdpipe
