#include "launch/alerts.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>

#include "ground/error.h"

namespace rdpipe {

Alerts::Alerts() : epoll_(check(::epoll_create1(EPOLL_CLOEXEC), Status::kMemory, "wait for events")) {}

bool Alerts::add(int fd, std::function<bool()> take) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return false;  // a regular file
  entries_.push_back({fd, std::move(take)});
  return true;
}

void Alerts::remove(int fd) {
  if (std::erase_if(entries_, [&](const Entry& entry) { return entry.fd == fd; }) == 0) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void Alerts::take() {
  std::array<epoll_event, 8> events{};
  const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    const int fd = events[static_cast<std::size_t>(i)].data.fd;
    const auto entry = std::ranges::find(entries_, fd, &Entry::fd);
    if (entry == entries_.end()) continue;
    const auto take_one = entry->take;  // which may add others
    if (!take_one()) remove(fd);
  }
}

}  // namespace rdpipe
