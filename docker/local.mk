# `make check-docker` builds the image with a real engine, runs it, and finds containers' packets.
EXTRA_DIST += \
	docker/.env \
	docker/Dockerfile \
	docker/Dockerfile.dockerignore \
	docker/README.md \
	docker/base.sh \
	docker/check.sh \
	docker/docker-compose.yml \
	docker/prometheus.yml \
	docker/services.sh \
	docker/test-images/Dockerfile \
	docker/test-images/docker-compose.build.yml
