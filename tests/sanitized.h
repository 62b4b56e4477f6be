// Whether the test is built with a sanitizer, which is slow and brings an allocator of its own: to the
// preprocessor too, RDPIPE_SANITIZED.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RDPIPE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RDPIPE_SANITIZED 1
#endif
#endif
#if !defined(RDPIPE_SANITIZED)
#define RDPIPE_SANITIZED 0
#endif
