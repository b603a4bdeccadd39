// Android Studio's build. The one that runs without Google's repository and an Android SDK is pom.xml (README.md).
plugins {
    alias(libs.plugins.android.application) apply false
    alias(libs.plugins.kotlin.android) apply false
    alias(libs.plugins.kotlin.jvm) apply false
}
